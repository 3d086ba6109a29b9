"""Normalization statistics of a dataset, as the model will see its states and actions."""

import dataclasses
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tqdm

from openpi.data.lerobot import reader
from openpi.normalization import norm_stats, running_stats

_BATCH = 256  # frames an update


def compute_norm_stats(
    dataset: reader.LeRobotDataset,
    transform: Callable[[dict[str, Any]], dict[str, Any]],
    *,
    keys: Sequence[str] = ("state", "actions"),
    min_std: float = 0.0,
    max_frames: int | None = None,
) -> dict[str, norm_stats.NormStats]:
    """Statistics of every frame's `keys` after `transform`; all steps of an action chunk count as samples.

    No image is decoded: the transform gets black pixels of shape [3, 1, 1] in their place. Shows a progress bar on a
    terminal.

    Args:
      dataset: with the `delta_timestamps` of training.
      transform: repack and robot transforms, without normalization.
      keys: what of its result is measured, each [..., A].
      min_std: in the unit of each dimension. One that varies less (a joint that never moves: its scale is noise) is
        shifted by its mean and not scaled: std is taken as 1. So with quantiles, where half their distance is less:
        they are taken as mean -1 and mean +1.
      max_frames: measure so many frames only, chosen at random with a fixed seed; None means all.

    Returns:
      key -> float64 statistics.

    Raises:
      ValueError: the transform's result lacks a key, or a value is not finite.
    """
    rows = np.arange(len(dataset))
    if max_frames is not None and max_frames < len(dataset):
        rows = np.sort(np.random.default_rng(0).choice(rows, max_frames, replace=False))
    frames = dataset.without_images()
    running = {key: running_stats.RunningStats() for key in keys}
    progress = tqdm.tqdm(total=len(rows), desc="norm stats", unit="frame", disable=not sys.stderr.isatty())
    with progress:
        for start in range(0, len(rows), _BATCH):
            batch = rows[start : start + _BATCH]
            samples = [transform(frames[int(row)]) for row in batch]
            for key, stats in running.items():
                stats.update(_values(samples, key, batch))
            progress.update(len(batch))
    return {key: _with_min_std(stats.get_statistics(), min_std) for key, stats in running.items()}


def _values(samples: Sequence[dict[str, Any]], key: str, rows: np.ndarray) -> np.ndarray:
    """float64 [n, ..., A]: float32 would lose the small variances."""
    if key not in samples[0]:
        raise ValueError(f"the data transforms give no {key!r}, only {sorted(samples[0])}: correct config.data.repack")
    values = np.stack([np.asarray(sample[key], np.float64) for sample in samples])
    bad = ~np.isfinite(values).reshape(len(values), -1).all(axis=1)
    if bad.any():
        raise ValueError(f"{key!r} of frame {rows[bad.argmax()]} holds a value that is not finite: correct the dataset")
    return values


def _with_min_std(stats: norm_stats.NormStats, min_std: float) -> norm_stats.NormStats:
    narrow = (stats.q99 - stats.q01) / 2 < min_std
    return dataclasses.replace(
        stats,
        std=np.where(stats.std < min_std, 1.0, stats.std),
        q01=np.where(narrow, stats.mean - 1, stats.q01),
        q99=np.where(narrow, stats.mean + 1, stats.q99),
    )
