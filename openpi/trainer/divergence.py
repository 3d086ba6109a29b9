"""Notices when training goes astray: numbers that are not finite, or far above what they lately were."""

import collections
import dataclasses
import math
import statistics
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

_WINDOW = 64  # steps whose median is the measure
_FEWEST = 16  # steps before there is a measure
_WATCHED = ("loss", "grad_norm")


@dataclasses.dataclass(frozen=True)
class Policy:
    """What to do then.

    Attributes:
      skip: the steps skip bad updates by themselves (`guard`); False: training stops.
      factor: more than so many times the median of loss or gradient norm is too much; 0: only what is not finite.
      max_skips: more skipped steps one after the other stop training.
    """

    skip: bool = False
    factor: float = 0.0
    max_skips: int = 10


STOP = Policy()  # where something is not finite


class Seen(NamedTuple):
    """Of a good step."""

    step: int
    loss: float
    grad_norm: float


class Detector:
    """Judges every step, in order. Its `recent` steps and `skips` are what a resumed run needs to judge alike."""

    def __init__(
        self, policy: Policy, *, lag: int, recent: Iterable[tuple[int, float, float]] = (), skips: int = 0
    ) -> None:
        """Args:
        policy: what is too much.
        lag: a step is measured by the steps up to this many before it: later ones may not be known when it starts.
        recent: as the attribute of a former detector.
        skips: likewise.
        """
        self.policy = policy
        self._lag = lag
        self._recent = collections.deque((Seen(*seen) for seen in recent), maxlen=_WINDOW + lag)
        self.skips = skips

    @property
    def recent(self) -> list[Seen]:
        """The last good steps; none where only finiteness counts."""
        return list(self._recent)

    def limits(self, step: int) -> tuple[float, float]:
        """The loss and gradient norm that a step may have at most, exact in float32."""
        known = [seen for seen in self._recent if seen.step <= step - self._lag][-_WINDOW:]
        if not self.policy.factor or len(known) < _FEWEST:
            return math.inf, math.inf
        loss, norm = (statistics.median(getattr(seen, name) for seen in known) for name in _WATCHED)
        return float(np.float32(self.policy.factor * loss)), float(np.float32(self.policy.factor * norm))

    def judge(self, step: int, metrics: Mapping[str, float], limits: tuple[float, float]) -> str:
        """What is wrong with a step, "" if nothing is.

        Args:
          step: each once, in order.
          metrics: of that step.
          limits: that it was given.
        """
        reason = _reason(metrics, limits)
        self.skips = self.skips + 1 if reason else 0
        if not reason and self.policy.factor:
            self._recent.append(Seen(step, metrics["loss"], metrics["grad_norm"]))
        return reason

    @property
    def too_many(self) -> bool:
        """Whether training should stop after what `judge` said last."""
        return self.skips > (self.policy.max_skips if self.policy.skip else 0)


def _reason(metrics: Mapping[str, float], limits: tuple[float, float]) -> str:
    for name in _WATCHED:
        if not math.isfinite(metrics[name]):
            return f"{name} is {metrics[name]}"
    for name, limit in zip(_WATCHED, limits, strict=True):
        if metrics[name] > limit:
            return f"{name} is {metrics[name]:.4g}, above {limit:.4g}, the limit by its median"
    return ""
