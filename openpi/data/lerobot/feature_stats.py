"""The statistics that LeRobot keeps of every feature: min, max, mean, std, count and five quantiles.

Exact, where lerobot itself estimates quantiles from histograms and averages them over episodes.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}
Stats = dict[str, np.ndarray]


def of_values(values: np.ndarray) -> Stats:
    """Statistics over the frames of `values` [T, ...]; each entry is shaped as one frame, `count` as [1]."""
    numbers = values.astype(np.float64)
    quantiles = np.quantile(numbers, list(QUANTILES.values()), axis=0)
    return {
        "min": values.min(axis=0),
        "max": values.max(axis=0),
        "mean": numbers.mean(axis=0),
        "std": numbers.std(axis=0),
        "count": np.array([len(values)]),
        **dict(zip(QUANTILES, quantiles, strict=True)),
    }


class PixelHistogram:
    """Counts of the 256 levels of each colour: all that the statistics of images need. int64 [3, 256]."""

    _MAX_SIZE = 300  # larger images are thinned out to about half of this, as lerobot does

    def __init__(self) -> None:
        self._counts = np.zeros((3, 256), np.int64)
        self._num_frames = 0

    def add(self, rgb: np.ndarray) -> None:
        """Counts one uint8 [H, W, 3] image."""
        step = max(1, max(rgb.shape[:2]) // (self._MAX_SIZE // 2)) if max(rgb.shape[:2]) >= self._MAX_SIZE else 1
        for channel in range(3):
            self._counts[channel] += np.bincount(rgb[::step, ::step, channel].ravel(), minlength=256)
        self._num_frames += 1

    def merge(self, other: "PixelHistogram") -> None:
        self._counts += other._counts
        self._num_frames += other._num_frames

    def stats(self) -> Stats:
        """Statistics of levels scaled to 0..1, each shaped [3, 1, 1]; `count` is the number of images, [1]."""
        levels = np.arange(256) / 255.0
        total = self._counts.sum(axis=1)
        mean = self._counts @ levels / total
        cumulative = self._counts.cumsum(axis=1)
        out = {
            "min": levels[(self._counts > 0).argmax(axis=1)],
            "max": levels[255 - (self._counts[:, ::-1] > 0).argmax(axis=1)],
            "mean": mean,
            "std": np.sqrt(np.maximum(0.0, self._counts @ levels**2 / total - mean**2)),
            "count": np.full(3, self._num_frames),
        }
        for name, q in QUANTILES.items():
            out[name] = levels[(cumulative >= q * total[:, None]).argmax(axis=1)]
        return {name: value[:1] if name == "count" else value[:, None, None] for name, value in out.items()}


def merge(parts: Sequence[Stats]) -> Stats:
    """Statistics of several recordings as one. Quantiles are the mean of theirs by frames, as lerobot's: no others can be had."""
    frames = np.array([part["count"][0] for part in parts], np.float64)
    weights = frames / frames.sum()

    def mean(values: Sequence[np.ndarray]) -> np.ndarray:
        return np.tensordot(weights, np.stack(values).astype(np.float64), axes=1)

    centre = mean([part["mean"] for part in parts])
    return {
        "min": np.stack([part["min"] for part in parts]).min(axis=0),
        "max": np.stack([part["max"] for part in parts]).max(axis=0),
        "mean": centre,
        "std": np.sqrt(mean([part["std"] ** 2 + (part["mean"] - centre) ** 2 for part in parts])),
        "count": np.sum([part["count"] for part in parts], axis=0),
        **{name: mean([part[name] for part in parts]) for name in QUANTILES},
    }


def to_lists(stats: Stats) -> dict[str, Any]:
    """The form for JSON and parquet: nested lists of plain numbers; a scalar's statistics have length 1."""
    return {name: np.atleast_1d(value).tolist() for name, value in stats.items()}
