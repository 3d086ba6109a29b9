"""Samples → batch: every leaf of the nested dicts gains a leading axis."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np


def collate(samples: Iterable[Mapping[str, Any]], size: int) -> dict[str, Any]:
    """Puts nested dicts of numbers and arrays into one of arrays `[B, ...]`.

    Each sample is copied and let go of before the next is made: it is still in the processor's cache then.

    Args:
      samples: `B` of them.
      size: `B`.

    Raises:
      ValueError: a leaf is text (a transform has to tokenize or drop it), or differs between samples in shape or dtype,
        or the samples differ in keys; the text names the leaf. Or there are not `B` samples.
    """
    batch: dict[str, Any] = {}
    for row, sample in zip(range(size), samples, strict=True):
        if row == 0:
            batch = _allocate("", sample, size)
        _put("", batch, row, sample)
    return batch


def _allocate(path: str, value: Any, size: int) -> Any:
    if isinstance(value, Mapping):
        return {key: _allocate(_join(path, key), inner, size) for key, inner in value.items()}
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{path!r} is {type(value).__name__}, not a number: a transform has to tokenize or drop it")
    return np.empty((size, *array.shape), array.dtype)


def _put(path: str, batch: Any, row: int, value: Any) -> None:
    if isinstance(batch, dict):
        if not isinstance(value, Mapping) or value.keys() != batch.keys():
            found = sorted(value) if isinstance(value, Mapping) else type(value).__name__
            raise ValueError(f"samples of a batch differ at {path or 'the top'}: one has {sorted(batch)}, one {found}")
        for key, inner in value.items():
            _put(_join(path, key), batch[key], row, inner)
        return
    array = np.asarray(value)
    if array.shape != batch.shape[1:] or array.dtype != batch.dtype:
        raise ValueError(
            f"samples of a batch differ at {path!r}: one is {batch.dtype} {list(batch.shape[1:])}, one {array.dtype} "
            f"{list(array.shape)}"
        )
    batch[row] = array


def _join(path: str, key: str) -> str:
    return f"{path}/{key}" if path else key
