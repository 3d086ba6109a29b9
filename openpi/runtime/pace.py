"""Steps at a steady rate, and how steady they were."""

from __future__ import annotations

import dataclasses
import math
import time

# The last half hour at 50 Hz; a robot that runs all day does not fill its memory.
_KEPT = 90_000


@dataclasses.dataclass(frozen=True)
class Report:
    """How steady steps were, in seconds.

    Attributes:
      steps: how many were measured.
      late: how many began more than a tenth of a period too late.
      period: their median distance; NaN before there are two steps.
      jitter_p50, jitter_p99, jitter_max: by how much a distance differed from the wanted one, or from the median without one.
    """

    steps: int
    late: int
    period: float
    jitter_p50: float
    jitter_p99: float
    jitter_max: float

    def __str__(self) -> str:
        """One line for a log."""
        hz = 1 / self.period if self.period > 0 else math.nan
        p50, p99, most = (1000 * value for value in (self.jitter_p50, self.jitter_p99, self.jitter_max))
        return f"{self.steps} steps at {hz:.1f} Hz, {self.late} late; jitter {p50:.2f} ms median, {p99:.2f} ms p99, {most:.2f} ms most"


class Pace:
    """Waits so that steps are at least a period apart: `wait()` before each."""

    def __init__(self, max_hz: float = 0) -> None:
        """`max_hz`: most steps a second; 0 waits for none of them."""
        if not 0 <= max_hz < math.inf:
            raise ValueError(f"max_hz={max_hz} must be 0 (as fast as possible) or more steps a second")
        self._period = 1 / max_hz if max_hz > 0 else 0.0
        self.restart()

    def restart(self) -> None:
        """Forgets the steps so far: the next one is the first."""
        self._due: float | None = None
        self._last: float | None = None
        self._distances: list[float] = []
        self._late = 0

    def wait(self) -> None:
        """Returns when the next step is due, at once for the first. A late step puts off those that follow."""
        now = time.perf_counter()
        if self._due is not None and now < self._due:
            time.sleep(self._due - now)
            now = time.perf_counter()
        if self._last is not None:
            self._distances.append(now - self._last)
            del self._distances[:-_KEPT]
        on_time = self._due is not None and now - self._due < 0.1 * self._period
        self._late += self._due is not None and self._period > 0 and not on_time
        # From step to step a few microseconds of waking up must not add up; a whole missed period is not made up for.
        self._due = (self._due if on_time else now) + self._period
        self._last = now

    def report(self) -> Report:
        """How steady the steps since the last restart were."""
        if not self._distances:
            return Report(0 if self._last is None else 1, 0, math.nan, math.nan, math.nan, math.nan)
        period = _quantile(self._distances, 0.5)
        jitter = [abs(distance - (self._period or period)) for distance in self._distances]
        quantiles = (_quantile(jitter, fraction) for fraction in (0.5, 0.99, 1.0))
        return Report(len(self._distances) + 1, self._late, period, *quantiles)


def _quantile(values: list[float], fraction: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(fraction * len(ordered)), len(ordered) - 1)]
