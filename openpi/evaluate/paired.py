"""Whether one policy is better than another that was given the same episodes."""

import dataclasses
import math
from collections.abc import Iterable

from scipy import stats

from openpi.evaluate import wilson


@dataclasses.dataclass(frozen=True)
class Pairs:
    """How many episodes both policies did, one of them alone, or neither."""

    both: int
    first: int
    second: int
    neither: int

    def __post_init__(self) -> None:
        """Raises ValueError if there are no pairs."""
        if min(dataclasses.astuple(self)) < 0 or self.count < 1:
            raise ValueError(f"{self}: there must be at least one pair of episodes, and no fewer than none of a kind")

    @property
    def count(self) -> int:
        return self.both + self.first + self.second + self.neither

    @property
    def rates(self) -> tuple[float, float]:
        """The success rates of both policies."""
        return (self.both + self.first) / self.count, (self.both + self.second) / self.count

    @property
    def difference(self) -> float:
        """The first policy's rate less the second's."""
        return (self.first - self.second) / self.count


def count(successes: Iterable[tuple[bool, bool]]) -> Pairs:
    """Counts the successes of both policies in each episode."""
    found = list(successes)
    return Pairs(*(found.count(kind) for kind in ((True, True), (True, False), (False, True), (False, False))))


def p_value(pairs: Pairs) -> float:
    """McNemar's exact test, two-sided: how often equal policies would differ at least so much.

    Only episodes count that one policy did and the other did not: with equal policies, each such falls to either like a coin.
    """
    discordant = pairs.first + pairs.second
    return float(stats.binomtest(pairs.first, discordant, 0.5).pvalue) if discordant else 1.0


def interval(pairs: Pairs) -> tuple[float, float]:
    """The 95 % interval of the difference (Newcombe 1998, method 10): of Wilson's intervals, and how far the two go together."""
    first, second = pairs.rates
    low1, high1 = wilson.interval(pairs.both + pairs.first, pairs.count)
    low2, high2 = wilson.interval(pairs.both + pairs.second, pairs.count)
    phi = _correlation(pairs)
    below, above = _hypotenuse(first - low1, high2 - second, phi), _hypotenuse(high1 - first, second - low2, phi)
    return max(-1.0, pairs.difference - below), min(1.0, pairs.difference + above)


def _hypotenuse(one: float, other: float, phi: float) -> float:
    return math.sqrt(max(0.0, one**2 - 2 * phi * one * other + other**2))


def _correlation(pairs: Pairs) -> float:
    """Of the two policies' successes, corrected for continuity where it is positive."""
    product: float = pairs.both * pairs.neither - pairs.first * pairs.second
    if product > 0:
        product = max(product - pairs.count / 2, 0)
    margins = (
        (pairs.both + pairs.first)
        * (pairs.second + pairs.neither)
        * (pairs.both + pairs.second)
        * (pairs.first + pairs.neither)
    )
    return product / math.sqrt(margins) if margins else 0.0
