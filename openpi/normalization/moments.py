"""Mean, variance and range of values that come in blocks, in float64, for each part of a weighted mixture."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Summary(NamedTuple):
    """Of each dim, [D]."""

    mean: np.ndarray
    std: np.ndarray  # of the population
    minimum: np.ndarray
    maximum: np.ndarray


class Moments:
    """Accumulates them. `counts` are the samples of each part so far, int64 [P]."""

    def __init__(self, num_parts: int, dims: int) -> None:
        self.counts = np.zeros(num_parts, np.int64)
        self._means = np.zeros((num_parts, dims))
        self._squares = np.zeros((num_parts, dims))  # sums of squared distances to the mean
        self._minimum, self._maximum = np.full(dims, np.inf), np.full(dims, -np.inf)

    def update(self, part: int, rows: np.ndarray) -> None:
        """Takes in n > 0 samples of a part: float64 [D, n], a row a dim."""
        n = rows.shape[1]
        total = self.counts[part] + n
        mean = rows.mean(axis=1)
        centered = rows - mean[:, None]
        step = mean - self._means[part]
        # Chan et al.: no difference of large sums, so that a small variance far from zero survives.
        self._squares[part] += np.einsum("dn,dn->d", centered, centered) + step**2 * (self.counts[part] * n / total)
        self._means[part] += step * (n / total)
        self.counts[part] = total
        np.minimum(self._minimum, rows.min(axis=1), out=self._minimum)
        np.maximum(self._maximum, rows.max(axis=1), out=self._maximum)

    def combined(self, weights: Sequence[float]) -> Summary:
        """Of the mixture in which part p has the share weights[p] / sum(weights); every part has samples."""
        shares = np.asarray(weights, np.float64)[:, None] / np.sum(weights)
        mean = np.sum(shares * self._means, axis=0)
        within = self._squares / self.counts[:, None]
        variance = np.sum(shares * (within + (self._means - mean) ** 2), axis=0)
        return Summary(mean, np.sqrt(variance), self._minimum, self._maximum)
