"""How sure a success rate is."""

import math

_Z95 = 1.959963984540054  # Two-sided 95 % of the normal distribution.


def interval(successes: int, trials: int, *, z: float = _Z95) -> tuple[float, float]:
    """Returns the Wilson score interval (Wilson 1927) of a success rate, 95 % by default.

    It stays sensible at 0 and 100 %, where the textbook interval has no width.

    Raises:
      ValueError: there are no trials, or more successes than trials.
    """
    if not 0 <= successes <= trials or trials < 1:
        raise ValueError(
            f"{successes} successes in {trials} trials: there must be at least one trial, and no more successes"
        )
    rate, scale = successes / trials, 1 + z**2 / trials
    centre = (rate + z**2 / (2 * trials)) / scale
    half = z / scale * math.sqrt(rate * (1 - rate) / trials + z**2 / (4 * trials**2))
    # Rounding must not push the ends past what they are at 0 and 100 %.
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == trials else centre + half
    return low, high
