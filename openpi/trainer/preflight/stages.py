"""What a sample looks like after each stage of the road to the model: keys, shapes, dtypes, ranges."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from openpi.transforms import transform

_MAX_TEXT = 48  # characters of a text that are shown


@dataclasses.dataclass(frozen=True)
class Leaf:
    """One value of a sample: its "/"-joined path, and what people want to know of it."""

    path: str
    kind: str  # "uint8[224, 224, 3]", "text"
    values: str  # its range, or the text itself


@dataclasses.dataclass(frozen=True)
class Stage:
    """A sample after the stage `name`."""

    name: str
    leaves: tuple[Leaf, ...]


def trace(road: transform.Transform, sample: Mapping[str, Any]) -> list[Stage]:
    """Sends a sample along a road.

    Args:
      road: one transform, or several that `transform.compose` put together.
      sample: a row of a dataset.

    Returns:
      The row as it comes, under the name "dataset", and what each single transform made of it, under the transform's name.

    Raises:
      ValueError: a transform cannot take what it got; the message names it.
    """
    current = dict(sample)
    stages = [Stage("dataset", describe(current))]
    for step in transform.steps(road):
        name = type(step).__name__
        try:
            current = step(current)
        except (ValueError, KeyError, TypeError) as error:
            text = error.args[0] if isinstance(error, KeyError) and error.args else error
            raise ValueError(f"stage {len(stages)} ({name}) of the road to the model: {text}") from error
        stages.append(Stage(name, describe(current)))
    return stages


def describe(tree: Mapping[str, Any]) -> tuple[Leaf, ...]:
    """The leaves of nested dicts, sorted by path."""
    return tuple(sorted(_leaves(tree, ""), key=lambda leaf: leaf.path))


def render(stages: Sequence[Stage]) -> str:
    """A table for people: all leaves of the first stage; of each further one those that are new, changed or gone."""
    width = max((len(leaf.path) for stage in stages for leaf in stage.leaves), default=0)
    kind_width = max((len(leaf.kind) for stage in stages for leaf in stage.leaves), default=0)
    lines, before = [], {}
    for number, stage in enumerate(stages):
        now = {leaf.path: leaf for leaf in stage.leaves}
        rows = [
            f"  {'+' if path not in before else '~'} {path:<{width}}  {leaf.kind:<{kind_width}}  {leaf.values}".rstrip()
            for path, leaf in now.items()
            if before.get(path) != leaf
        ]
        rows += [f"  - {path}" for path in before if path not in now]
        lines += [f"{number} {stage.name}", *(rows or ["  (nothing changes)"])]
        before = now
    return "\n".join(lines)


def _leaves(tree: Any, path: str):
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from _leaves(value, f"{path}/{key}" if path else str(key))
    else:
        yield _leaf(path, tree)


def _leaf(path: str, value: Any) -> Leaf:
    array = np.asarray(value)
    if array.dtype.kind in "US":
        text = str(value)
        return Leaf(path, "text", repr(text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 1] + "…"))
    kind = f"{array.dtype}{list(array.shape)}"
    if not array.size or array.dtype.kind not in "biuf":
        return Leaf(path, kind, "")
    if array.dtype.kind == "b":
        return Leaf(
            path, kind, f"{np.count_nonzero(array)} of {array.size} true" if array.size > 1 else str(bool(array))
        )
    bad = np.count_nonzero(~np.isfinite(array))
    if bad:
        return Leaf(path, kind, f"{bad} of {array.size} values are not finite")
    low, high = array.min(), array.max()
    return Leaf(path, kind, f"{low:.4g}" if low == high else f"{low:.4g} … {high:.4g}")
