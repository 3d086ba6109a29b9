"""An ALOHA for dry runs."""

from __future__ import annotations

import numpy as np

from openpi.robots.aloha import environment, limits
from openpi.robots.driving import simulated

_SLEEP_POSE = (0.0, -1.80, 1.55, 0.0, -1.57, 0.0)  # as Interbotix parks its arms
_ROWS, _COLUMNS = 480, 640


class SimulatedAloha(simulated.SimulatedDriver):
    """Begins with both arms folded and the grippers closed."""

    def __init__(self) -> None:
        joints = (*_SLEEP_POSE, environment.FINGER[0]) * 2
        super().__init__(
            joints, dict.fromkeys(environment.CAMERAS, (_ROWS, _COLUMNS)), hz=limits.HZ, target=_fingers_follow_motors
        )

    def wake_grippers(self) -> None:
        """They do not sleep."""


def _fingers_follow_motors(joints: np.ndarray, command: np.ndarray) -> np.ndarray:
    grippers = [6, 13]
    target = command.copy()
    target[grippers] = np.interp(command[grippers], environment.GRIPPER_MOTOR, environment.FINGER)
    return target
