"""Exact quantiles of more values than fit in memory, by reading them a few times.

Definition: the q-quantile is the smallest value v for which the share of samples <= v is at least q: an actual sample, as
numpy's method "inverted_cdf". In a mixture, samples of part p weigh weights[p] / (samples of p). Shares are compared as
fractions, without rounding.

Way: a float64's bits, seen as a whole number, order as the number does. Each reading counts how many values fall into each
of 2^16 ranges of such numbers, and the next one looks only at the range that holds the quantile; as soon as few enough
values are left they are kept and sorted. Two readings are usual, and four the most.
"""

import bisect
import dataclasses
import fractions
from collections.abc import Sequence

import numpy as np

_BITS = 16
_TOP = (1 << 64) - 1
_SIGN = np.uint64(1 << 63)
_BUDGET = 1 << 23  # values kept: 64 MiB


@dataclasses.dataclass
class _Range:
    """Keys low ... high of a dim, in which the quantiles `wanted` lie."""

    dim: int
    low: int
    high: int
    below: np.ndarray  # int64 [P], samples of each part that are less
    wanted: list[int]
    kept: list[list[np.ndarray]] | None = None  # of each part, if few enough
    counts: np.ndarray | None = None  # int64 [P, 2^16]
    least: int = _TOP  # of what was seen
    most: int = 0

    @property
    def shift(self) -> int:
        return max(0, (self.high - self.low).bit_length() - _BITS)


class QuantileSearch:
    """Give every value to `update`, call `next_reading`, and again, until that returns False; then `result` holds them."""

    def __init__(
        self,
        dims: int,
        weights: Sequence[float],
        probabilities: Sequence[fractions.Fraction],
        *,
        budget: int = _BUDGET,
    ) -> None:
        """Args:
        dims: of a sample.
        weights: of each part, positive.
        probabilities: of the quantiles, each above 0 and at most 1.
        budget: how many values may be kept.
        """
        self.result = np.full((len(probabilities), dims), np.nan)  # of each probability, [D]
        self._weights = [
            fractions.Fraction(float(weight)) / sum(map(fractions.Fraction, weights)) for weight in weights
        ]
        self._probabilities, self._budget = probabilities, budget
        self._totals = np.zeros(len(weights), np.int64)
        self._counting = True
        nothing = np.zeros(len(weights), np.int64)
        self._ranges = [_Range(dim, 0, _TOP, nothing, list(range(len(probabilities)))) for dim in range(dims)]
        self._prepare(())

    def update(self, part: int, rows: np.ndarray) -> None:
        """Takes in samples of a part: float64 [D, n], finite, a row a dim."""
        if self._counting:
            self._totals[part] += rows.shape[1]
        dim, keys = -1, np.empty(0, np.uint64)
        for area in self._ranges:
            if area.dim != dim:
                dim, keys = area.dim, _keys(rows[area.dim])
            self._take(area, part, keys)

    def next_reading(self) -> bool:
        """Whether all values have to be given once more."""
        shares = [weight / int(total) for weight, total in zip(self._weights, self._totals, strict=True)]
        ranges, sizes = [], []
        for area in self._ranges:
            for index in area.wanted:
                narrower, size = self._narrow(area, index, shares)
                if narrower is None:
                    continue
                same = [other for other in ranges if (other.dim, other.low) == (narrower.dim, narrower.low)]
                if same:
                    same[0].wanted.append(index)
                else:
                    ranges.append(narrower)
                    sizes.append(size)
        self._counting, self._ranges = False, ranges
        self._prepare(sizes)
        return bool(ranges)

    def _prepare(self, sizes: Sequence[int]) -> None:
        """Decides which ranges are kept and which are counted; `sizes` are their samples, if known."""
        left = self._budget
        for index in sorted(range(len(sizes)), key=sizes.__getitem__):
            if sizes[index] > left:
                break
            left -= sizes[index]
            self._ranges[index].kept = [[] for _ in self._totals]
        for area in self._ranges:
            if area.kept is None:
                area.counts = np.zeros((len(self._totals), 1 << _BITS), np.int64)

    def _take(self, area: _Range, part: int, keys: np.ndarray) -> None:
        if (area.low, area.high) != (0, _TOP):
            keys = keys[(keys >= np.uint64(area.low)) & (keys <= np.uint64(area.high))]
        if not len(keys):
            return
        if area.kept is not None:
            area.kept[part].append(keys)
            return
        area.least, area.most = min(area.least, int(keys.min())), max(area.most, int(keys.max()))
        bins = (keys - np.uint64(area.low)) >> np.uint64(area.shift)
        area.counts[part] += np.bincount(bins.astype(np.intp), minlength=1 << _BITS)

    def _narrow(self, area: _Range, index: int, shares: Sequence[fractions.Fraction]) -> tuple[_Range | None, int]:
        """The range inside `area` that holds a quantile, with its number of samples; None if it is known now."""
        if area.kept is not None:
            parts = [np.sort(np.concatenate(kept)) if kept else np.empty(0, np.uint64) for kept in area.kept]
            candidates = np.unique(np.concatenate(parts))
            sums = np.stack([np.searchsorted(part, candidates, side="right") for part in parts])
        elif area.least == area.most:
            self.result[index, area.dim] = _value(area.least)
            return None, 0
        else:
            sums = np.cumsum(area.counts, axis=1)
        sums = sums + area.below[:, None]
        found = _first(sums, shares, self._probabilities[index])
        if area.kept is not None or area.shift == 0:
            key = int(candidates[found]) if area.kept is not None else area.low + found
            self.result[index, area.dim] = _value(key)
            return None, 0
        below = sums[:, found - 1] if found else area.below
        low = area.low + (found << area.shift)
        high = min(area.high, low + (1 << area.shift) - 1)
        return _Range(area.dim, low, high, below, [index]), int(np.sum(sums[:, found] - below))


def _first(sums: np.ndarray, shares: Sequence[fractions.Fraction], probability: fractions.Fraction) -> int:
    """The first column of `sums` (samples so far of each part, [P, B]) whose share reaches the probability."""
    reached = lambda column: (
        sum(share * int(n) for share, n in zip(shares, sums[:, column], strict=True)) >= probability
    )
    return bisect.bisect_left(range(sums.shape[1]), True, key=reached)


def _keys(values: np.ndarray) -> np.ndarray:
    """uint64 that order as the values do; -0.0 is 0.0."""
    bits = (values + 0.0).view(np.int64)
    return (bits ^ ((bits >> 63) & np.int64((1 << 63) - 1))).view(np.uint64) ^ _SIGN


def _value(key: int) -> float:
    bits = np.array([key], np.uint64) ^ _SIGN
    signed = bits.view(np.int64)
    return float((signed ^ ((signed >> 63) & np.int64((1 << 63) - 1))).view(np.float64)[0])
