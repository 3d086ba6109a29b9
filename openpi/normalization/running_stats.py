"""Mean, standard deviation and quantiles of a stream of batches.

Numbers agree with those of the published statistics to the last bit; so the quirks of their histograms are kept (see
`_rebin`).
"""

import numpy as np

from openpi.normalization import norm_stats

_NUM_BINS = 5000


class RunningStats:
    """Accumulates statistics per dim. Means are computed in the batches' dtype, quantiles from histograms in float64."""

    def __init__(self) -> None:
        self._count = 0

    @property
    def count(self) -> int:
        """How many samples were seen."""
        return self._count

    @property
    def minimum(self) -> np.ndarray:
        """The least value of each dim, [A]; only after the first update."""
        return self._min

    @property
    def maximum(self) -> np.ndarray:
        """The greatest value of each dim, [A]; only after the first update."""
        return self._max

    def update(self, batch: np.ndarray) -> None:
        """Takes in samples [..., A]; all axes but the last count as samples.

        Raises:
          ValueError: the batch is empty or its width is not that of the batches before.
        """
        if batch.ndim < 1 or batch.size == 0:
            raise ValueError(f"statistics need samples [..., dims], got an array of shape {batch.shape}")
        samples = batch.reshape(-1, batch.shape[-1])
        mean, mean_of_squares = np.mean(samples, axis=0), np.mean(samples**2, axis=0)
        low, high = np.min(samples, axis=0), np.max(samples, axis=0)
        if self._count == 0:
            self._mean, self._mean_of_squares = mean, mean_of_squares
            self._min, self._max = low, high
            self._histograms = np.zeros((len(mean), _NUM_BINS))
            # Bounds are taken to float64 first: a float32 would swallow the margin.
            self._edges = np.stack([_edges(float(a) - 1e-10, float(b) + 1e-10) for a, b in zip(low, high, strict=True)])
        else:
            if len(mean) != len(self._mean):
                raise ValueError(f"this batch has {len(mean)} dims, the batches before had {len(self._mean)}")
            self._extend(low, high)
        self._count += len(samples)
        self._mean = self._mean + (mean - self._mean) * (len(samples) / self._count)
        self._mean_of_squares = self._mean_of_squares + (mean_of_squares - self._mean_of_squares) * (
            len(samples) / self._count
        )
        for dim, (histogram, edges) in enumerate(zip(self._histograms, self._edges, strict=True)):
            histogram += np.histogram(samples[:, dim], bins=edges)[0]

    def get_statistics(self) -> norm_stats.NormStats:
        """Returns the statistics (population standard deviation; quantiles are left edges of bins).

        Raises:
          ValueError: fewer than two samples were seen.
        """
        if self._count < 2:
            raise ValueError(f"statistics need at least 2 samples, got {self._count}")
        std = np.sqrt(np.maximum(0, self._mean_of_squares - self._mean**2))
        return norm_stats.NormStats(mean=self._mean, std=std, q01=self._quantile(0.01), q99=self._quantile(0.99))

    def _quantile(self, q: float) -> np.ndarray:
        cumulative = np.cumsum(self._histograms, axis=1)
        bins = [np.searchsorted(row, q * self._count) for row in cumulative]
        return np.array([edges[index] for edges, index in zip(self._edges, bins, strict=True)])

    def _extend(self, low: np.ndarray, high: np.ndarray) -> None:
        grew = np.any(low < self._min) or np.any(high > self._max)
        self._min, self._max = np.minimum(self._min, low), np.maximum(self._max, high)
        if grew:
            self._rebin()

    def _rebin(self) -> None:
        """Spreads all histograms over the new ranges, an old bin's mass going to where its left edge falls.

        As published: new ranges have no margin, so the lowest bin of the first batch, whose edge lies 1e-10 below the
        minimum, is lost if the minimum stays.
        """
        for dim in range(len(self._edges)):
            edges = _edges(float(self._min[dim]), float(self._max[dim]))
            self._histograms[dim], _ = np.histogram(self._edges[dim][:-1], bins=edges, weights=self._histograms[dim])
            self._edges[dim] = edges


def _edges(low: float, high: float) -> np.ndarray:
    return np.linspace(low, high, _NUM_BINS + 1)
