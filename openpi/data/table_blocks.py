"""The tables of a dataset through transforms, many frames at a time: for statistics and action codecs. No image is decoded."""

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import tqdm

from openpi.data import dataset as dataset_lib

BLOCK = 1024  # frames: what is computed from them stays in the processor's caches


Transform = Callable[[dict[str, Any]], dict[str, Any]]


def choose(num_rows: int, most: int | None) -> np.ndarray:
    """All rows, or `most` of them chosen at random with a fixed seed: int64, ascending."""
    if most is None or most >= num_rows:
        return np.arange(num_rows)
    return np.sort(np.random.default_rng(0).choice(num_rows, most, replace=False))


def read(
    dataset: dataset_lib.Recorded, rows: np.ndarray, transform: Transform, keys: Sequence[str], *, block: int = BLOCK
) -> Iterator[dict[str, np.ndarray]]:
    """Reads `keys` of the transform's result, block by block.

    Args:
      dataset: with the `delta_timestamps` of training.
      rows: int64 [n].
      transform: takes tables of which rows are stacked, [n, ...].
      keys: what is wanted of its result, numbers [n, ..., D].
      block: frames at a time; the last may have fewer.

    Raises:
      ValueError: the transform's result lacks a key, or a value is not finite.
    """
    for start in range(0, len(rows), block):
        some = rows[start : start + block]
        result = transform(dataset.read_tables(some))
        yield {key: _checked(dataset, result, key, some) for key in keys}


def progress(what: str, unit: str, total: int) -> tqdm.tqdm:
    """A bar on a terminal, nothing elsewhere."""
    return tqdm.tqdm(total=total, desc=what, unit=unit, disable=not sys.stderr.isatty())


def _checked(dataset: dataset_lib.Recorded, result: dict[str, Any], key: str, rows: np.ndarray) -> np.ndarray:
    if key not in result:
        raise ValueError(f"the data transforms give no {key!r}, only {sorted(result)}: correct config.data.repack")
    values = np.asarray(result[key])
    if values.ndim < 2 or len(values) != len(rows) or values.dtype.kind not in "fiu":
        raise ValueError(
            f"the data transforms give {key!r} as {values.dtype}{list(values.shape)} for {len(rows)} frames; they must keep "
            "the axis of frames first, and give numbers"
        )
    # A sum of finite float32 or float64 numbers is finite, or large beyond any robot's: only then is it worth a closer look.
    with np.errstate(over="ignore", invalid="ignore"):
        total = values.sum(dtype=np.float64)
    if not np.isfinite(total):
        finite = np.isfinite(values).reshape(len(values), -1).all(axis=1)
        if not finite.all():
            row = int(rows[finite.argmin()])
            episode = int(np.searchsorted(np.asarray(dataset.episodes.stop), row, side="right"))
            raise ValueError(
                f"{key!r} of frame {row} (episode {episode}) holds a value that is not finite: correct the dataset"
            )
    return values
