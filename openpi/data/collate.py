"""Samples → batch: every leaf of the nested dicts gains a leading axis."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def collate(samples: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Stacks nested dicts of numbers and arrays into one of arrays `[B, ...]`.

    Raises:
      ValueError: a leaf is text (a transform has to tokenize or drop it), or differs between samples in shape or dtype,
        or the samples differ in keys; the text names the leaf.
    """
    return _stack("", samples)


def _stack(path: str, values: Sequence[Any]) -> Any:
    if isinstance(values[0], Mapping):
        keys = values[0].keys()
        for value in values:
            if not isinstance(value, Mapping) or value.keys() != keys:
                found = sorted(value) if isinstance(value, Mapping) else type(value).__name__
                raise ValueError(
                    f"samples of a batch differ at {path or 'the top'}: one has {sorted(keys)}, one {found}"
                )
        return {key: _stack(f"{path}/{key}" if path else key, [value[key] for value in values]) for key in keys}
    arrays = [np.asarray(value) for value in values]
    if arrays[0].dtype.kind not in "biuf":
        raise ValueError(
            f"{path!r} is {type(values[0]).__name__}, not a number: a transform has to tokenize or drop it"
        )
    for array in arrays:
        if array.shape != arrays[0].shape or array.dtype != arrays[0].dtype:
            raise ValueError(
                f"samples of a batch differ at {path!r}: one is {arrays[0].dtype} {list(arrays[0].shape)}, one "
                f"{array.dtype} {list(array.shape)}"
            )
    return np.stack(arrays)
