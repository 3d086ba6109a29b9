"""DROID's robot for dry runs."""

from __future__ import annotations

import numpy as np

from openpi.robots.driving import simulated
from openpi.robots.droid import limits

_ROWS, _COLUMNS = 720, 1280


class SimulatedDroid(simulated.SimulatedDriver):
    """Begins a little away from home, with the gripper half closed."""

    def __init__(self) -> None:
        away = np.array(limits.HOME) + 0.1
        cameras = dict.fromkeys(("left", "right", "wrist"), (_ROWS, _COLUMNS))
        super().__init__((*away, 0.5), cameras, hz=limits.HZ, target=_integrate)

    def home(self) -> None:
        """Is there at once, as after DROID's own reset."""
        self._joints = np.array([*limits.HOME, 0.0])


def _integrate(joints: np.ndarray, command: np.ndarray) -> np.ndarray:
    return np.append(joints[:7] + limits.VELOCITY_STEP * command[:7], command[7])
