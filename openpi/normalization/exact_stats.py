"""Mean, standard deviation, range and exact quantiles of a stream that can be read again, or of a weighted mixture of some."""

import fractions
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from openpi.normalization import measured as measured_lib
from openpi.normalization import moments, quantile_search

_PROBABILITIES = (fractions.Fraction(1, 100), fractions.Fraction(99, 100))

# (number of the part, key -> its samples [..., D])
Block = tuple[int, Mapping[str, np.ndarray]]


def measure(read: Callable[[], Iterable[Block]], weights: Sequence[float] = (1.0,)) -> dict[str, measured_lib.Measured]:
    """Measures every key; memory does not grow with the number of samples.

    Args:
      read: gives the same blocks at every call, each with the same keys and finite values; all axes but the last count
        as samples. It is called two to four times.
      weights: the share of each part, whatever its number of samples; they need not sum to 1.

    Raises:
      ValueError: a weight is not positive, or a part has no samples.
    """
    if not all(0 < weight < np.inf for weight in weights):
        raise ValueError(f"the weights of a mixture must be positive numbers, and are {list(weights)}")
    seen: dict[str, moments.Moments] = {}
    searches: dict[str, quantile_search.QuantileSearch] = {}
    for part, values in read():
        for key, array in values.items():
            rows = _rows(array)
            if key not in seen:
                seen[key] = moments.Moments(len(weights), len(rows))
                searches[key] = quantile_search.QuantileSearch(len(rows), weights, _PROBABILITIES)
            seen[key].update(part, rows)
            searches[key].update(part, rows)
    for key, entry in seen.items():
        if not entry.counts.all():
            raise ValueError(f"{key!r} has no samples in part {int(entry.counts.argmin())} of the mixture")
    unfinished = {key: search for key, search in searches.items() if search.next_reading()}
    while unfinished:
        for part, values in read():
            for key, search in unfinished.items():
                search.update(part, _rows(values[key]))
        unfinished = {key: search for key, search in unfinished.items() if search.next_reading()}
    return {
        key: measured_lib.Measured(
            int(entry.counts.sum()), *entry.combined(weights), q01=searches[key].result[0], q99=searches[key].result[1]
        )
        for key, entry in seen.items()
    }


def _rows(values: np.ndarray) -> np.ndarray:
    """[..., D] -> float64 [D, n]: a dim then lies in one piece, and everything below runs along it."""
    return np.array(values.reshape(-1, values.shape[-1]).T, np.float64, order="C")
