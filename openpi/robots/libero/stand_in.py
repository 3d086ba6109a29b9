"""A stand-in for LIBERO's simulator, for dry runs: a hand without a world."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from openpi.robots.libero import environment, suites

_REACH = 0.02  # metres: how far a full action moves the hand
_NEAR = 0.03


class StandIn:
    """The hand moves as it is told, over a test picture. A task is done when it is near a point, 10 to 20 cm off.

    Observations have LIBERO's names, shapes and types.
    """

    tasks: tuple[str, ...] = ("reach the first point", "reach the second point")

    def begin(self, task: int, trial: int) -> Mapping[str, np.ndarray]:
        """As `Simulator.begin`: point and picture depend on both numbers."""
        rng = np.random.default_rng([task, trial])
        self._hand = np.array([0.0, 0.0, 1.0])
        way = rng.normal(size=3)
        self._goal = self._hand + way / np.linalg.norm(way) * rng.uniform(0.1, 0.2)
        self._fingers = 0.04
        return self._observation()

    def step(self, action: np.ndarray) -> environment.Step:
        """As `Simulator.step`."""
        if not np.isfinite(action).all():
            raise environment.SimulationError("an action is not finite")
        self._hand = self._hand + _REACH * np.clip(action[:3], -1, 1)
        self._fingers = 0.04 if action[6] < 0 else 0.0
        return environment.Step(self._observation(), bool(np.linalg.norm(self._hand - self._goal) < _NEAR))

    def _observation(self) -> Mapping[str, np.ndarray]:
        size = suites.RENDER_SIZE
        rows, columns = np.mgrid[:size, :size]
        level = int(np.clip(500 * np.linalg.norm(self._hand - self._goal), 0, 255))
        picture = np.stack([rows, columns, np.full_like(rows, level)], axis=-1).astype(np.uint8)
        return {
            "agentview_image": picture,
            "robot0_eye_in_hand_image": picture[:, ::-1],
            "robot0_eef_pos": self._hand,
            "robot0_eef_quat": np.array([1.0, 0.0, 0.0, 0.0]),  # points down
            "robot0_gripper_qpos": np.array([self._fingers, -self._fingers]),
        }
