"""Merges loaded parameters into a model's tree (spec: loaded where both have it, fresh where a pattern allows it)."""

import re
from collections.abc import Mapping
from typing import Any

import jax
from flax import traverse_util

from openpi.checkpoints import model_kind

SHOWN = 8  # how many paths an error lists


def merge(loaded: Mapping[str, Any], reference: Mapping[str, Any], *, missing: str) -> dict[str, Any]:
    """Takes what `reference` knows from `loaded`, and leaves the rest to initialisation where `missing` allows it.

    Args:
      loaded: nested dict of arrays. Leaves that the reference lacks are dropped.
      reference: the model's tree; leaves have `shape` and `dtype`. Loaded leaves are cast to its dtypes.
      missing: regular expression; a reference leaf that wasn't loaded stays as it is if its whole path ("/" between the
        keys) matches, and is absent from the result otherwise, which `check` then reports.

    Returns:
      A nested dict: loaded arrays, and leaves of `reference` where none was loaded.
    """
    loaded = traverse_util.flatten_dict(loaded, sep="/")
    result = {}
    for path, leaf in traverse_util.flatten_dict(reference, sep="/").items():
        if path in loaded:
            array = loaded[path]
            result[path] = array if array.dtype == leaf.dtype else array.astype(leaf.dtype)
        elif re.fullmatch(missing, path):
            result[path] = leaf
    return traverse_util.unflatten_dict(result, sep="/")


def check(tree: Mapping[str, Any], reference: Mapping[str, Any], *, what: str, reason: str | None = None) -> None:
    """Checks that `tree` has the paths and shapes of `reference`.

    Args:
      tree, reference: nested dicts; leaves have `shape`.
      what: names the tree's origin in the error, e.g. `weights from /data/pi0_base`.
      reason: why they cannot fit, if that is known already. None looks for one when they don't.

    Raises:
      ValueError: one line that lists leaves of another shape (with both shapes), missing leaves and unexpected ones.
    """
    tree = traverse_util.flatten_dict(tree, sep="/")
    reference = traverse_util.flatten_dict(reference, sep="/")
    other_shape = [
        f"{path} has {tuple(tree[path].shape)} but the model has {tuple(reference[path].shape)}"
        for path in reference
        if path in tree and tuple(tree[path].shape) != tuple(reference[path].shape)
    ]
    problems = [
        ("another shape", other_shape),
        ("missing", [path for path in reference if path not in tree]),
        ("unknown to the model", [path for path in tree if path not in reference]),
    ]
    told = [f"{title}: {_list(paths)}" for title, paths in problems if paths]
    if told and reason is None:
        reason = model_kind.mismatch(tree, reference)
    if reason is not None or told:
        told = ([reason] if reason else []) + told
        raise ValueError(
            f"{what} do not fit the model that config.model describes: {'; '.join(told)}; "
            "change config.model or the weights"
        )


def loaded_only(tree: Mapping[str, Any]) -> dict[str, Any]:
    """What `merge` took from the loaded tree: the leaves that are arrays and not mere shapes."""
    flat = traverse_util.flatten_dict(tree)
    return traverse_util.unflatten_dict(
        {path: leaf for path, leaf in flat.items() if not isinstance(leaf, jax.ShapeDtypeStruct)}
    )


def _list(paths: list[str]) -> str:
    more = f", ... ({len(paths)} in all)" if len(paths) > SHOWN else ""
    return ", ".join(paths[:SHOWN]) + more
