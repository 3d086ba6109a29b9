"""Reads parameters from a checkpoint, whether published or trained here.

On disk the tree is `{"params": tree}`, an Orbax store. Checkpoints that training wrote append a last path component
`value` to every leaf; it is stripped, so that paths are always those of the published models
(`PaliGemma/llm/layers/attn/q_einsum/w`).
"""

import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from etils import epath
from flax import traverse_util

from openpi.checkpoints import array_reader, layout, merge, model_kind, stored_tree

EXPECTED_DTYPES = "expected"

_VALUE = "value"


def restore_params(
    params_dir: str | pathlib.Path,
    *,
    expected: Mapping[str, Any] | None = None,
    missing: str | None = None,
    dtype: np.typing.DTypeLike | None = None,
    sharding: jax.sharding.Sharding | None = None,
    in_flight_bytes: int = array_reader.IN_FLIGHT_BYTES,
) -> dict[str, Any]:
    """Restores a parameter tree, each array straight to its dtype and place, the largest first.

    Beyond what it returns, host memory holds at most one array (in its new dtype) and `in_flight_bytes`.

    Args:
      params_dir: the `params` item of a checkpoint; the checkpoint or its run is accepted too.
      expected: the model's tree; only its leaves are read. They have `shape` and `dtype`, and may have a `sharding`.
        None reads all that is stored.
      missing: regular expression. If given, the checkpoint may be of another kind of model, and expected leaves whose
        whole path ("/" between the keys) matches may be missing: they are left out.
      dtype: floating leaves are cast to it; None keeps the stored types; EXPECTED_DTYPES takes those of `expected`.
      sharding: where the arrays go, as `jax.Array`s, unless an expected leaf has its own. None gives numpy arrays.
      in_flight_bytes: bound for blocks being read.

    Returns:
      A nested dict of arrays.

    Raises:
      FileNotFoundError: there is no checkpoint there.
      ValueError: it is a checkpoint, but damaged, or not of the expected model; nothing was read then.
    """
    params_dir = layout.find_params_dir(params_dir)
    stored = parameters(params_dir)
    leaves = stored if expected is None else traverse_util.flatten_dict(expected, sep="/")
    if expected is not None:
        _check(stored, leaves, missing, what=f"the parameters of checkpoint {params_dir}")
    paths = sorted((path for path in leaves if path in stored), key=lambda path: -stored[path].nbytes)
    if dtype is EXPECTED_DTYPES and expected is None:
        raise ValueError("dtype is EXPECTED_DTYPES, but expected is None; give the model's tree")
    dtypes = [_dtype(stored[path], leaves[path], dtype) for path in paths]
    shardings = [getattr(leaves[path], "sharding", None) or sharding for path in paths]
    arrays = _read(params_dir, [stored[path] for path in paths], dtypes, shardings, in_flight_bytes)
    restored = dict(zip(paths, arrays, strict=True))
    return traverse_util.unflatten_dict({path: restored[path] for path in leaves if path in restored}, sep="/")


def parameters(params_dir: str | pathlib.Path) -> dict[str, stored_tree.StoredArray]:
    """The stored parameters by their published paths, without reading them.

    Args:
      params_dir: the `params` item of a checkpoint.

    Raises:
      ValueError: the checkpoint is damaged.
    """
    prefix, suffix = f"{layout.PARAMS}/", f"/{_VALUE}"
    found = stored_tree.open_arrays(params_dir)
    found = {path.removeprefix(prefix): array for path, array in found.items() if path.startswith(prefix)}
    if not found:
        raise stored_tree.damaged(params_dir, f"its tree has no '{layout.PARAMS}' entry")
    if all(path.endswith(suffix) for path in found):
        found = {path.removesuffix(suffix): array for path, array in found.items()}
    return found


def metadata(tree_dir: str | pathlib.Path) -> dict[str, Any]:
    """The stored tree as it was nested; leaves have `shape` and `dtype`.

    Raises:
      ValueError: the description is unreadable.
    """
    try:
        return dict(ocp.PyTreeCheckpointHandler().metadata(epath.Path(tree_dir).resolve()).tree)
    except stored_tree.DAMAGE as error:
        raise stored_tree.damaged(tree_dir, error) from error


def strip_value(tree: dict[str, Any]) -> dict[str, Any]:
    """Drops the last path component if it is `value` at every leaf; otherwise returns the tree as it is."""
    flat = traverse_util.flatten_dict(tree)
    if not all(path[-1] == _VALUE for path in flat):
        return tree
    return traverse_util.unflatten_dict({path[:-1]: leaf for path, leaf in flat.items()})


def append_value(tree: dict[str, Any]) -> dict[str, Any]:
    """The inverse of `strip_value`, as training writes trees."""
    return traverse_util.unflatten_dict(
        {(*path, _VALUE): leaf for path, leaf in traverse_util.flatten_dict(tree).items()}
    )


def _check(stored: Mapping[str, Any], expected: Mapping[str, Any], missing: str | None, *, what: str) -> None:
    """Compares paths and shapes; leaves have `shape`."""
    wanted = {
        path: leaf
        for path, leaf in expected.items()
        if path in stored or missing is None or not re.fullmatch(missing, path)
    }
    known = {path: leaf for path, leaf in stored.items() if path in expected}
    fits = all(path in known and known[path].shape == tuple(leaf.shape) for path, leaf in wanted.items())
    # Parts of another kind of model may be taken where `missing` says so: a mismatch only explains why they don't fit.
    reason = None if fits and missing is not None else model_kind.mismatch(stored, expected)
    merge.check(known, wanted, what=what, reason=reason)


def _dtype(stored: stored_tree.StoredArray, leaf: Any, dtype: Any) -> np.dtype:
    if dtype is None or not jax.numpy.issubdtype(stored.dtype, np.floating):
        return stored.dtype
    return np.dtype(leaf.dtype if dtype is EXPECTED_DTYPES else dtype)


def _read(
    params_dir: pathlib.Path,
    stored: Sequence[stored_tree.StoredArray],
    dtypes: Sequence[np.dtype],
    shardings: Sequence[jax.sharding.Sharding | None],
    in_flight_bytes: int,
) -> list[Any]:
    arrays: list[Any] = []
    reader = array_reader.read(stored, dtypes, title="reading checkpoint", in_flight_bytes=in_flight_bytes)
    for host in stored_tree.naming(params_dir, reader):
        arrays.append(_place(host, shardings[len(arrays)]))
        del host  # before the next is read
    return arrays


def _place(host: np.ndarray, sharding: jax.sharding.Sharding | None) -> Any:
    """To the device, and there to the end: the host's copy is about to be released."""
    return host if sharding is None else jax.block_until_ready(jax.device_put(host, sharding))
