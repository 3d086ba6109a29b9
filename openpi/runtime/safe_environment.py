"""An environment that does nothing beyond its limits, and stops rather than guess."""

from __future__ import annotations

import collections
import logging
import time
from collections.abc import Callable
from typing import NoReturn

import numpy as np

from openpi.runtime import emergency_stop, environment, safety_limits

_logger = logging.getLogger(__name__)


class SafeEnvironment(environment.Environment):
    """Stands between the agent and a robot: commands are kept within limits; what cannot be a command stops the robot.

    It stops on an action that is too old, has not the robot's shape or is not finite, on a measurement that is not finite, and
    when its EmergencyStop is tripped. Then the robot is sent where it was last (velocities: 0), the step raises Stopped, which
    ends the runtime's loop, and no reset moves it any more.

    Attributes:
      interventions: how often each limit of each joint or point changed a command: (name, limit) → steps.
    """

    def __init__(
        self,
        robot: environment.Environment,
        limits: safety_limits.Limits,
        *,
        measure: Callable[[dict], np.ndarray],
        stop: emergency_stop.EmergencyStop,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Guards `robot`.

        Args:
          robot: what is guarded; its action's `actions` are [J].
          limits: what it may do.
          measure: an observation → where the joints are, [J], in the order and the units of commands.
          stop: what stops it; the caller may trip it.
          clock: seconds.
        """
        self._robot = robot
        self._limits = limits
        self._measure = measure
        self._stop = stop
        self._clock = clock
        self._is_velocity = np.array([joint.velocity_step is not None for joint in limits.joints])
        self._velocity_step = np.array([joint.velocity_step or 1.0 for joint in limits.joints])
        self._measured: np.ndarray | None = None
        self._sent: np.ndarray | None = None
        self._observed_at = 0.0
        self._active: set[tuple[str, str]] = set()
        self.interventions: collections.Counter[tuple[str, str]] = collections.Counter()

    def reset(self) -> None:
        """Resets the robot, unless it was stopped."""
        if self._stop.reason is not None:
            _logger.warning("The robot was stopped and is not moved")
            return
        self._sent = None
        self._active = set()
        self._robot.reset()

    def is_episode_complete(self) -> bool:
        return self._robot.is_episode_complete()

    def get_observation(self) -> dict:
        """Raises Stopped if the robot was stopped or its joints are no numbers."""
        self._check_stop()
        self._observed_at = self._clock()
        observation = self._robot.get_observation()
        measured = np.asarray(self._measure(observation), np.float64)
        if problem := self._problem(measured):
            self._halt(f"the robot's joints {problem}")
        self._measured = measured
        return observation

    def apply_action(self, action: dict) -> None:
        """Carries out what the limits leave of an action. Raises Stopped if it may not be carried out at all."""
        self._check_stop()
        age = self._clock() - self._observed_at
        if age > self._limits.max_age:
            self._halt(f"the action answers what was seen {age:.2f} s ago, and may be {self._limits.max_age:g} s old")
        wanted = np.asarray(action.get("actions"))
        if problem := self._problem(wanted):
            self._halt(f"the policy's actions {problem}")
        command, interventions = self._constrain(wanted)
        self._note(interventions)
        self._robot.apply_action({**action, "actions": command})
        self._sent = command

    def report(self) -> str:
        """One line: what the limits changed."""
        changed = sorted(self.interventions.items(), key=lambda item: -item[1])
        return ", ".join(f"{name} {limit} ×{steps}" for (name, limit), steps in changed) or "nothing"

    def _constrain(self, wanted: np.ndarray) -> tuple[np.ndarray, list[safety_limits.Intervention]]:
        """In positions, whatever commands are: a velocity is a way from where the joint is."""
        here = self._measured if self._sent is None else np.where(self._is_velocity, self._measured, self._sent)
        goal = np.where(self._is_velocity, here + wanted * self._velocity_step, wanted)
        allowed, interventions = safety_limits.constrain(self._limits, here, goal)
        slowed = np.where(allowed == goal, wanted, (allowed - here) / self._velocity_step)
        return np.where(self._is_velocity, slowed, allowed), interventions

    def _problem(self, numbers: np.ndarray) -> str | None:
        names = self._limits.names
        if numbers.shape != (len(names),) or numbers.dtype.kind not in "fiu":
            return f"must be {len(names)} numbers, not {numbers.dtype} {list(numbers.shape)}"
        bad = [name for name, value in zip(names, numbers) if not np.isfinite(value)]
        return f"are not finite: {', '.join(bad)}" if bad else None

    def _note(self, interventions: list[safety_limits.Intervention]) -> None:
        """Counts each; tells it once while it lasts."""
        active = dict.fromkeys((each.name, each.limit) for each in interventions)  # in their order
        for each in interventions:
            if (each.name, each.limit) not in self._active:
                _logger.warning("Limited: %s", each.text)
        self.interventions.update(list(active))
        self._active = set(active)

    def _check_stop(self) -> None:
        if self._stop.reason is not None:
            self._hold()
            self._stop.check()

    def _halt(self, reason: str) -> NoReturn:
        self._stop.trip(reason)
        self._hold()
        self._stop.check()
        raise AssertionError("a stop that was tripped raises")

    def _hold(self) -> None:
        """Sends the robot where it was sent last. Nothing was measured: nothing has moved."""
        if self._measured is None:
            return
        here = self._measured if self._sent is None else self._sent
        self._robot.apply_action({"actions": np.where(self._is_velocity, 0.0, here)})
