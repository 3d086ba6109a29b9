"""Steps whose outcome is not known yet, is not logged yet, or is to be told."""

import collections
import logging
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from openpi.trainer import divergence, loop_memory

_LOGGER = logging.getLogger("openpi")

_RUN_AHEAD = 2  # steps the host may be ahead of the device: enough to keep it busy, few batches in memory
_LAG = _RUN_AHEAD + 1  # of what is known when a step starts


class _InFlight(NamedTuple):
    step: int
    metrics: dict[str, jax.Array]
    limits: tuple[float, float]
    position: Any


class Steps:
    """Those whose metrics are still on the device, those that are not logged yet, and how they went."""

    def __init__(
        self, policy: divergence.Policy, memory: loop_memory.Memory, on_bad: Callable[[int, Any, str], str]
    ) -> None:
        self.detector = divergence.Detector(policy, lag=_LAG, recent=memory.recent, skips=memory.skips)
        self._pending = list(memory.pending)
        self._in_flight: collections.deque[_InFlight] = collections.deque()
        self._on_bad = on_bad

    def started(self, step: int, metrics: dict[str, jax.Array], limits: tuple[float, float], position: Any) -> None:
        """A step is on its way; those that are far enough behind it are looked at."""
        self._in_flight.append(_InFlight(step, metrics, limits, position))
        while len(self._in_flight) > _RUN_AHEAD:
            self._look()

    def take_averages(self) -> dict[str, float]:
        """Over the steps since the last time; of skipped steps, how many."""
        self._look_at_all()
        pending, self._pending = self._pending, []
        names = sorted(pending[0], key=lambda name: (name != "loss", name))
        good = [metrics for metrics in pending if not metrics.get("skipped")]
        averages = {name: float(np.mean([metrics[name] for metrics in good])) if good else math.nan for name in names}
        if "skipped" in averages:
            averages["skipped"] = float(len(pending) - len(good))
        return averages

    def memory(self) -> loop_memory.Memory:
        """As of the last step, which is a good one or skipped."""
        self._look_at_all()
        return loop_memory.Memory(tuple(self._pending), self.detector.recent, self.detector.skips)

    def _look_at_all(self) -> None:
        while self._in_flight:
            self._look()

    def _look(self) -> None:
        step, metrics, limits, position = self._in_flight.popleft()
        seen = {name: float(value) for name, value in jax.device_get(metrics).items()}  # waits for the step
        self._pending.append(seen)
        if reason := self.detector.judge(step, seen, limits):
            told = self._on_bad(step, position, reason)
            if self.detector.too_many:
                raise RuntimeError(
                    f"training diverged: {told}; nothing was saved since; lower --config.lr_schedule.peak_lr or look for wild "
                    "values in the data"
                )
            _LOGGER.warning("skipped: %s", told)
