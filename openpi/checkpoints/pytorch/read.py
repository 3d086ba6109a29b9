"""Reads weights of pi0 and pi0.5 from a safetensors file: the published PyTorch layouts, with the paths of our trees."""

import pathlib
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from flax import traverse_util

from openpi.checkpoints.pytorch import axes, mapping, names, table, tensor_file

FILE = "model.safetensors"
EXPECTED_DTYPES = "expected"
# Heads are flattened in PyTorch, so that their number cannot be seen there: our files say it in these entries of the
# header. The published models: So400m's heads have 72 dims, and Gemma has one key/value head.
TOWER_HEAD_DIM = "openpi.tower_head_dim"
GEMMA_HEAD_DIM = "openpi.gemma_head_dim"
_SO400M_HEAD_DIM = 72
_TOWER = "PaliGemma/img/"
TOWER_QUERY = _TOWER + "Transformer/encoderblock/MultiHeadDotProductAttention_0/query/kernel"
GEMMA_KV = "PaliGemma/llm/layers/attn/kv_einsum/w"
_TITLES = {"pi0": "pi0", "pi05": "pi0.5", None: "neither pi0 nor pi0.5"}
_SHOWN = 4  # how many names an error lists


def read_params(
    path: str | pathlib.Path,
    *,
    expected: Mapping[str, Any] | None = None,
    dtype: np.typing.DTypeLike | None = None,
) -> dict[str, Any]:
    """Reads a parameter tree.

    Args:
      path: a safetensors file, or the folder that holds `model.safetensors`.
      expected: the model's tree; leaves have `shape`. None: as the file has it. LoRA adapters in it are left out.
      dtype: what all parameters are cast to; None keeps the stored types; EXPECTED_DTYPES takes those of `expected`.

    Returns:
      A nested dict of numpy arrays.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: it is damaged, or of another model than `expected`: one line with the first names that differ.
    """
    dtypes = {}
    if dtype is EXPECTED_DTYPES:
        if expected is None:
            raise ValueError("dtype is EXPECTED_DTYPES, but expected is None; give the model's tree")
        dtypes = {leaf: spec.dtype for leaf, spec in traverse_util.flatten_dict(expected, sep="/").items()}
    with Weights(path, expected=expected) as weights:
        flat = {leaf: weights.read(leaf, dtypes.get(leaf, dtype)) for leaf in weights.shapes}
    return traverse_util.unflatten_dict(flat, sep="/")


def find_file(path: str | pathlib.Path) -> pathlib.Path | None:
    """The safetensors file that `path` means: itself, or `model.safetensors` in it; None if there is none."""
    path = pathlib.Path(path).expanduser().absolute()
    if path.suffix == ".safetensors":
        return path if path.is_file() else None
    return path / FILE if (path / FILE).is_file() else None


class Weights:
    """Weights by the paths of our trees; each is read when it is asked for. Use it as a context manager.

    Attributes:
      kind: in `table.KINDS`.
      layout: in `names.LAYOUTS`.
      shapes: path -> shape, ours.
      dtypes: path -> dtype as stored.
    """

    def __init__(self, path: str | pathlib.Path, *, expected: Mapping[str, Any] | None = None) -> None:
        """Opens the file and checks every name, shape and dtype in it; arguments and errors as of `read_params`."""
        file = find_file(path)
        if file is None:
            raise FileNotFoundError(
                f"no PyTorch weights at {path}; give a .safetensors file or the folder of one named {FILE}"
            )
        self._reader = tensor_file.Reader(file)
        found = names.resolve(self._reader.specs, str(file))
        self.kind, self.layout, self._sources = found.kind, found.layout, found.sources
        self.shapes = self._shapes(file) if expected is None else self._wanted(expected, file)
        tensors = mapping.tree_tensors(self.shapes)
        self._check(tensors, str(file))
        self._tensors: dict[str, list[mapping.Tensor]] = {}
        for tensor in tensors:
            self._tensors.setdefault(tensor.path, []).append(tensor)
        self.dtypes = {
            leaf: np.result_type(*{self._spec(part.name).dtype for part in parts})
            for leaf, parts in self._tensors.items()
        }

    def read(self, path: str, dtype: np.typing.DTypeLike | None = None) -> np.ndarray:
        """One parameter, cast to `dtype` if given."""
        parts = self._tensors[path]
        dtype = self.dtypes[path] if dtype is None else np.dtype(dtype)
        if not parts[0].at:
            array = axes.backward(parts[0].equation, self._reader.read(self._sources[parts[0].name]), self.shapes[path])
            return np.ascontiguousarray(array, dtype)
        leaf = np.empty(self.shapes[path], dtype)
        for part in parts:
            array = self._reader.read(self._sources[part.name])
            leaf[part.at] = axes.backward(part.equation, array, leaf[part.at].shape)
        return leaf

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._reader.__exit__(*error)

    def _spec(self, name: str) -> tensor_file.Spec:
        return self._reader.specs[self._sources[name]]

    def _wanted(self, expected: Mapping[str, Any], file: pathlib.Path) -> dict[str, tuple[int, ...]]:
        flat = traverse_util.flatten_dict(expected, sep="/")
        kind = table.kind_of(flat)
        if kind != self.kind:
            raise ValueError(
                f"the weights in {file} are {_TITLES[self.kind]}, but the model is {_TITLES[kind]}; change config.model.type "
                "or the weights"
            )
        return {path: tuple(leaf.shape) for path, leaf in flat.items() if path in table.TABLE or "lora" not in path}

    def _shapes(self, file: pathlib.Path) -> dict[str, tuple[int, ...]]:
        """Our shapes, from those of the file."""
        found = mapping.find_rules(self._sources)
        if missing := [table.TABLE[path].names[0] for path in table.paths_of(self.kind) if path not in found]:
            raise ValueError(f"the weights in {file} are no whole {_TITLES[self.kind]}: missing: {_list(missing)}")
        depths = {False: 0, True: 0}  # of Gemma's transformers, which are as deep as each other, and of the tower
        for path, (_, layers) in found.items():
            in_tower = path.startswith(_TOWER)
            depths[in_tower] = max(depths[in_tower], len(layers))
        shapes = {}
        for path, (rule, layers) in found.items():
            name = rule.names[0].format(layer=min(layers, default=0))
            known = {"H": self._head_dim(path, file)} if "(" in rule.equation else {}
            try:
                if name not in self._sources:
                    raise ValueError("it is missing")
                shape = axes.backward_shape(rule.equation, self._spec(name).shape, known)
            except ValueError as error:
                raise ValueError(f"{name} in {file} is no tensor of {_TITLES[self.kind]}: {error}") from error
            depth = depths[path.startswith(_TOWER)]
            shapes[path] = (depth,) * rule.layered + (len(rule.names),) * (len(rule.names) > 1) + shape
        return shapes

    def _head_dim(self, path: str, file: pathlib.Path) -> int:
        in_tower = path.startswith(_TOWER)
        entry = TOWER_HEAD_DIM if in_tower else GEMMA_HEAD_DIM
        said = self._reader.metadata.get(entry)
        if said is not None:
            if not (said.isascii() and said.isdigit() and 0 < int(said) < 1 << 20):
                raise ValueError(f"{entry}={said!r} in the header of {file} must be a positive number")
            return int(said)
        rule = table.TABLE[TOWER_QUERY if in_tower else GEMMA_KV]
        name = rule.names[0].format(layer=0)
        rows = self._spec(name).shape[0] if name in self._sources and self._spec(name).shape else 0
        if not in_tower and rows:
            return rows
        if in_tower and rows and rows % _SO400M_HEAD_DIM == 0:
            return _SO400M_HEAD_DIM
        raise ValueError(
            f"{file} does not say how many heads attend ({name} has {rows} rows); name the model that it is of"
        )

    def _check(self, tensors: list[mapping.Tensor], where: str) -> None:
        known = {tensor.name for tensor in tensors}
        other_shape = [
            f"{tensor.name} has {self._spec(tensor.name).shape} where {tensor.path} needs {tensor.shape}"
            for tensor in tensors
            if tensor.name in self._sources and self._spec(tensor.name).shape != tensor.shape
        ]
        problems = [
            ("another shape", other_shape),
            ("missing", [tensor.name for tensor in tensors if tensor.name not in self._sources]),
            ("unknown", [source for name, source in self._sources.items() if name not in known]),
        ]
        if told := "; ".join(f"{title}: {_list(problem)}" for title, problem in problems if problem):
            raise ValueError(f"the weights in {where} do not fit {_TITLES[self.kind]} of this size: {told}")


def _list(found: list[str]) -> str:
    more = f", ... ({len(found)} in all)" if len(found) > _SHOWN else ""
    return ", ".join(found[:_SHOWN]) + more
