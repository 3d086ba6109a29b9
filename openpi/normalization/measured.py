"""What was measured of one key of a dataset: more than its file of normalization statistics holds."""

import dataclasses

import numpy as np

from openpi.normalization import norm_stats


@dataclasses.dataclass(frozen=True)
class Measured:
    """Over `count` samples, a value a dim: [D] each."""

    count: int
    mean: np.ndarray
    std: np.ndarray
    minimum: np.ndarray
    maximum: np.ndarray
    q01: np.ndarray
    q99: np.ndarray

    def as_norm_stats(self) -> norm_stats.NormStats:
        return norm_stats.NormStats(mean=self.mean, std=self.std, q01=self.q01, q99=self.q99)

    def with_min_std(self, min_std: float) -> norm_stats.NormStats:
        """The statistics with dims that hardly vary left unscaled.

        Args:
          min_std: in the unit of each dim. One that varies less (a joint that never moves: its scale is noise) is shifted
            by its mean and not scaled: std is taken as 1. So with quantiles, where half their distance is less: they are
            taken as mean -1 and mean +1.
        """
        narrow = (self.q99 - self.q01) / 2 < min_std
        return norm_stats.NormStats(
            mean=self.mean,
            std=np.where(self.std < min_std, 1.0, self.std),
            q01=np.where(narrow, self.mean - 1, self.q01),
            q99=np.where(narrow, self.mean + 1, self.q99),
        )
