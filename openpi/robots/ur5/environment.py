"""A UR5 as the runtime drives it."""

from __future__ import annotations

import numpy as np

from openpi.client import image_tools
from openpi.robots.driving import driver, glide
from openpi.robots.ur5 import limits
from openpi.runtime import emergency_stop, environment

# The driver's camera → the observation's key.
CAMERAS = {"base": "base_rgb", "wrist": "wrist_rgb"}

_IMAGE_SIZE = 224
_HOME_SPEED = 0.5  # rad/s
_HOME_SECONDS = 1.0


class Ur5Environment(environment.Environment):
    """Observations: `joints` [6] radians, `gripper` [1] 0 (open) to 1 (closed), `base_rgb`, `wrist_rgb` uint8 [224, 224, 3], `prompt`.

    The driver's joints, and the numbers of its commands, are the same seven.
    """

    def __init__(self, robot: driver.Driver, *, prompt: str | None, stop: emergency_stop.EmergencyStop) -> None:
        """Drives `robot`; `prompt` None leaves to the server what it should do."""
        self._robot = robot
        self._prompt = prompt
        self._stop = stop

    def reset(self) -> None:
        """Goes home and opens the gripper."""
        glide.glide(
            self._robot.command,
            self._robot.read().joints,
            np.array([*limits.HOME, 0.0]),
            hz=limits.HZ,
            seconds=_HOME_SECONDS,
            max_speed=_HOME_SPEED,
            stop=self._stop,
        )

    def is_episode_complete(self) -> bool:
        return False

    def get_observation(self) -> dict:
        reading = self._robot.read()
        images = {
            key: image_tools.resize_with_pad(reading.images[name], _IMAGE_SIZE, _IMAGE_SIZE)
            for name, key in CAMERAS.items()
        }
        prompt = {} if self._prompt is None else {"prompt": self._prompt}
        return {"joints": reading.joints[:6], "gripper": reading.joints[6:], **images, **prompt}

    def apply_action(self, action: dict) -> None:
        """Sends `actions` [7]."""
        self._robot.command(np.asarray(action["actions"], np.float64))


def measure(observation: dict) -> np.ndarray:
    """The joints and the gripper of an observation, [7]."""
    return np.concatenate([observation["joints"], observation["gripper"]])
