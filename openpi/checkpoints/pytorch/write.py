"""Writes weights of pi0 and pi0.5 as a safetensors file in one of the published PyTorch layouts."""

import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from flax import traverse_util

from openpi.checkpoints.pytorch import axes, dtypes, mapping, names, read, table, tensor_file

_FLOATS = ("float32", "bfloat16", "float16")


def write_params(
    file: str | pathlib.Path, params: Mapping[str, Any], *, layout: str, precision: str | None = None
) -> None:
    """Writes a parameter tree.

    Args:
      file: a new file.
      params: nested dict of arrays.
      layout: in `names.LAYOUTS`.
      precision: in `dtypes.PRECISIONS`; None keeps each array's dtype.

    Raises:
      ValueError: the layout has no place for the tree (LoRA adapters, for instance).
    """
    flat = traverse_util.flatten_dict(params, sep="/")
    specs = {path: tensor_file.Spec(tuple(leaf.shape), np.dtype(leaf.dtype)) for path, leaf in flat.items()}
    arrays = ((path, np.asarray(leaf)) for path, leaf in flat.items())
    write_leaves(file, specs, arrays, layout=layout, precision=precision)


def write_leaves(
    file: str | pathlib.Path,
    leaves: Mapping[str, tensor_file.Spec],
    arrays: Iterable[tuple[str, np.ndarray]],
    *,
    layout: str,
    precision: str | None = None,
) -> None:
    """Writes parameters that come one after the other; the other arguments and errors as of `write_params`.

    Args:
      leaves: path -> shape and dtype of every parameter.
      arrays: every path, in any order, and its parameter.
    """
    tensors = mapping.tree_tensors({path: leaf.shape for path, leaf in leaves.items()})
    for path, leaf in leaves.items():
        if leaf.dtype.name not in _FLOATS:
            raise ValueError(f"{path} is {leaf.dtype}; weights are {', '.join(_FLOATS)}")

    def spec(tensor: mapping.Tensor) -> tensor_file.Spec:
        dtype = leaves[tensor.path].dtype if precision is None else dtypes.stored(tensor.name, precision)
        return tensor_file.Spec(tensor.shape, dtype)

    specs = {names.spell(tensor.name, layout): spec(tensor) for tensor in tensors}
    embedding = names.spell(table.EMBEDDING, layout)
    expert_head = names.spell(names.EXPERT_HEAD, layout)
    vocabulary = specs[embedding].shape[0]
    specs[expert_head] = tensor_file.Spec((vocabulary, _expert_width(leaves)), specs[embedding].dtype)  # zeros
    metadata = {
        "format": "pt",
        names.PREFIX[layout] + table.EMBEDDING: embedding,  # the name that was left out, as the port notes it
        read.TOWER_HEAD_DIM: str(leaves[read.TOWER_QUERY].shape[-1]),
        read.GEMMA_HEAD_DIM: str(leaves[read.GEMMA_KV].shape[-1]),
    }
    by_path: dict[str, list[mapping.Tensor]] = {}
    for tensor in tensors:
        by_path.setdefault(tensor.path, []).append(tensor)
    with tensor_file.Writer(pathlib.Path(file), specs, metadata) as writer:
        for path, array in arrays:
            for part in by_path.pop(path):
                writer.write(names.spell(part.name, layout), axes.forward(part.equation, array[part.at]))
            del array  # before the next is loaded
    if by_path:
        raise ValueError(f"{next(iter(by_path))} never came")


def _expert_width(leaves: Mapping[str, tensor_file.Spec]) -> int:
    return leaves["action_in_proj/kernel"].shape[1]
