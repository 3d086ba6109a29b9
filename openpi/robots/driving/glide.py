"""Moves a robot's joints to a pose without haste."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from openpi.runtime import emergency_stop, pace


def glide(
    command: Callable[[np.ndarray], None],
    start: np.ndarray,
    goal: np.ndarray,
    *,
    hz: float,
    seconds: float,
    max_speed: float,
    stop: emergency_stop.EmergencyStop,
) -> None:
    """Sends all joints on straight lines to their goals, where they come together.

    Args:
      command: sends [J].
      start: [J], where they are.
      goal: [J].
      hz: commands a second.
      seconds: how long it takes at least.
      max_speed: most that a joint moves in a second.
      stop: looked at before each command.

    Raises:
      Stopped: the robot was stopped on the way.
      ValueError: a joint is not finite.
    """
    start, goal = np.asarray(start, np.float64), np.asarray(goal, np.float64)
    if not (np.isfinite(start).all() and np.isfinite(goal).all()):
        raise ValueError(f"cannot move from {start} to {goal}: not finite; look at the robot's encoders and reset pose")
    seconds = max(seconds, float(np.abs(goal - start).max(initial=0)) / max_speed)
    steps = max(1, math.ceil(seconds * hz))
    steady = pace.Pace(hz)
    for step in range(1, steps + 1):
        stop.check()
        command(start + (goal - start) * (step / steps))
        steady.wait()
