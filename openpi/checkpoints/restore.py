"""Reads parameters from a checkpoint, whether published or trained here.

On disk the tree is `{"params": tree}`, an Orbax OCDBT store. Checkpoints that training wrote append a last path component
`value` to every leaf; it is stripped, so that paths are always those of the published models
(`PaliGemma/llm/layers/attn/q_einsum/w`).
"""

import pathlib
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from etils import epath
from flax import traverse_util

from openpi.checkpoints import layout


def restore_params(
    params_dir: str | pathlib.Path,
    *,
    dtype: np.typing.DTypeLike | None = None,
    sharding: jax.sharding.Sharding | None = None,
) -> dict[str, Any]:
    """Restores a parameter tree.

    Args:
      params_dir: the `params` item of a checkpoint; the checkpoint or its run is accepted too.
      dtype: floating leaves are cast to it; None keeps the stored types.
      sharding: where the arrays go, as `jax.Array`s; None gives numpy arrays.

    Returns:
      A nested dict of arrays.

    Raises:
      FileNotFoundError: there is no checkpoint there.
      ValueError: it is a checkpoint, but damaged.
    """
    params_dir = layout.find_params_dir(params_dir)
    item = {layout.PARAMS: metadata(params_dir).get(layout.PARAMS)}
    if not item[layout.PARAMS]:
        raise ValueError(f"damaged checkpoint {params_dir}: its tree has no '{layout.PARAMS}' entry")

    def restore_args(leaf: Any) -> ocp.RestoreArgs:
        wanted = dtype if dtype is not None and jax.numpy.issubdtype(leaf.dtype, np.floating) else None
        if sharding is None:
            return ocp.RestoreArgs(restore_type=np.ndarray, dtype=wanted)
        return ocp.ArrayRestoreArgs(sharding=sharding, dtype=wanted)

    args = ocp.args.PyTreeRestore(item=item, restore_args=jax.tree.map(restore_args, item), partial_restore=True)
    try:
        restored = ocp.PyTreeCheckpointHandler().restore(epath.Path(params_dir), args=args)
    except (ValueError, KeyError, FileNotFoundError, TypeError) as error:
        raise ValueError(f"damaged checkpoint {params_dir}: {_first_line(error)}; copy or train it again") from error
    return strip_value(restored[layout.PARAMS])


def metadata(tree_dir: str | pathlib.Path) -> dict[str, Any]:
    """The shape and dtype of every leaf of a stored tree, as it is on disk.

    Raises:
      ValueError: the description is unreadable.
    """
    try:
        return dict(ocp.PyTreeCheckpointHandler().metadata(epath.Path(tree_dir).resolve()).tree)
    except (ValueError, KeyError, FileNotFoundError, TypeError, AttributeError) as error:
        raise ValueError(f"damaged checkpoint {tree_dir}: {_first_line(error)}; copy or train it again") from error


def strip_value(tree: dict[str, Any]) -> dict[str, Any]:
    """Drops the last path component if it is `value` at every leaf; otherwise returns the tree as it is."""
    flat = traverse_util.flatten_dict(tree)
    if not all(path[-1] == "value" for path in flat):
        return tree
    return traverse_util.unflatten_dict({path[:-1]: leaf for path, leaf in flat.items()})


def append_value(tree: dict[str, Any]) -> dict[str, Any]:
    """The inverse of `strip_value`, as training writes trees."""
    return traverse_util.unflatten_dict(
        {(*path, "value"): leaf for path, leaf in traverse_util.flatten_dict(tree).items()}
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
