"""Robot units to about unit scale, and back.

z-score: (x - mean) / (std + 1e-6). Quantiles: q01 … q99 become -1 … 1. Nothing is clipped. Statistics are float64, and so are
the results.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np

from openpi.normalization import norm_stats as norm_stats_lib
from openpi.transforms import padding, tree_paths

_EPSILON = 1e-6


@dataclasses.dataclass(frozen=True)
class Normalize:
    """Normalizes the keys that `norm_stats` names.

    Attributes:
      norm_stats: path in the sample → statistics, which may be wider than the data (their head is used). None or no keys:
        the identity.
      use_quantiles: quantiles in place of the z-score.
      strict: whether every key of the statistics must be in the sample.
    """

    norm_stats: Mapping[str, norm_stats_lib.NormStats] | None
    use_quantiles: bool = False
    strict: bool = False

    def __post_init__(self) -> None:
        _check_quantiles(self.norm_stats, self.use_quantiles)

    def __call__(self, data: dict) -> dict:
        """Raises ValueError if statistics are narrower than their data, or (strict) a key is missing."""
        if not self.norm_stats:
            return data
        return tree_paths.apply_tree(data, self.norm_stats, self._normalize, strict=self.strict)

    def _normalize(self, key: str, x: np.ndarray, stats: norm_stats_lib.NormStats) -> np.ndarray:
        width, stats_width = np.shape(x)[-1], stats.mean.shape[-1]
        if stats_width < width:
            raise ValueError(
                f"'{key}' has {width} dims but its norm stats have {stats_width}: they belong to other data"
            )
        if self.use_quantiles:
            low, high = stats.q01[:width], stats.q99[:width]
            return (x - low) / (high - low + _EPSILON) * 2.0 - 1.0
        return (x - stats.mean[:width]) / (stats.std[:width] + _EPSILON)


@dataclasses.dataclass(frozen=True)
class Unnormalize:
    """Undoes Normalize. Every key of the statistics must be in the sample.

    The data may be wider than the statistics (a model's padded actions): z-score treats the rest as mean 0, std 1, quantiles
    leave it as it is.
    """

    norm_stats: Mapping[str, norm_stats_lib.NormStats] | None
    use_quantiles: bool = False

    def __post_init__(self) -> None:
        _check_quantiles(self.norm_stats, self.use_quantiles)

    def __call__(self, data: dict) -> dict:
        """Raises ValueError if a key is missing or statistics are wider than their data."""
        if not self.norm_stats:
            return data
        return tree_paths.apply_tree(data, self.norm_stats, self._unnormalize, strict=True)

    def _unnormalize(self, key: str, x: np.ndarray, stats: norm_stats_lib.NormStats) -> np.ndarray:
        width, stats_width = np.shape(x)[-1], stats.mean.shape[-1]
        if stats_width > width:
            raise ValueError(
                f"'{key}' has {width} dims, fewer than the {stats_width} of its norm stats: they belong to other data"
            )
        if self.use_quantiles:
            low, high = stats.q01, stats.q99
            head = (x[..., :stats_width] + 1.0) / 2.0 * (high - low + _EPSILON) + low
            return np.concatenate([head, x[..., stats_width:]], axis=-1)
        mean = padding.pad_to_dim(stats.mean, width, value=0.0)
        std = padding.pad_to_dim(stats.std, width, value=1.0)
        return x * (std + _EPSILON) + mean


def _check_quantiles(norm_stats: Mapping[str, norm_stats_lib.NormStats] | None, use_quantiles: bool) -> None:
    if not use_quantiles or norm_stats is None:
        return
    lacking = [
        key for key, stats in tree_paths.flatten_dict(norm_stats).items() if stats.q01 is None or stats.q99 is None
    ]
    if lacking:
        raise ValueError(
            f"norm stats of '{lacking[0]}' have no quantiles q01 and q99, which use_quantile_norm needs;"
            " compute them again with //openpi/norm_stats"
        )
