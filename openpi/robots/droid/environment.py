"""DROID's robot as the runtime drives it: joint velocities, two of its three cameras."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from openpi.client import image_tools
from openpi.robots.driving import driver
from openpi.runtime import environment

SIDES = ("left", "right")
_IMAGE_SIZE = 224
_WRIST = "wrist"


class DroidDriver(driver.Driver, Protocol):
    """Joints are [8]: 7 angles and the gripper, 0 (open) to 1 (closed). Cameras are `left`, `right` and `wrist`.

    Commands are [8]: velocities, of which 1 is `limits.VELOCITY_STEP` in a step, and the gripper's place.
    """

    def home(self) -> None:
        """Brings the robot to its reset pose, gripper open; returns when it is there."""


class DroidEnvironment(environment.Environment):
    """Observations: `observation/{exterior_image_1_left,wrist_image_left,joint_position,gripper_position}`, `prompt`.

    Attributes:
      prompt: what the robot should do.
    """

    def __init__(self, robot: DroidDriver, *, external_camera: str) -> None:
        """Drives `robot`; the policy sees the wrist and the `external_camera`, "left" or "right"."""
        self._robot = robot
        self._external_camera = external_camera
        self._is_home = False
        self.prompt = ""

    def reset(self) -> None:
        """Goes home, unless it is there."""
        if not self._is_home:
            self._robot.home()
        self._is_home = True

    def is_episode_complete(self) -> bool:
        return False

    def get_observation(self) -> dict:
        reading = self._robot.read()
        return {
            "observation/exterior_image_1_left": _shrink(reading.images[self._external_camera]),
            "observation/wrist_image_left": _shrink(reading.images[_WRIST]),
            "observation/joint_position": reading.joints[:7],
            "observation/gripper_position": reading.joints[7:],
            "prompt": self.prompt,
        }

    def apply_action(self, action: dict) -> None:
        """Sends `actions` [8]; the gripper opens or closes, nothing between."""
        command = np.array(action["actions"], np.float64)
        command[7] = command[7] > 0.5
        self._is_home = False
        self._robot.command(np.clip(command, -1.0, 1.0))


def measure(observation: dict) -> np.ndarray:
    """The joints and the gripper of an observation, [8]."""
    return np.concatenate([observation["observation/joint_position"], observation["observation/gripper_position"]])


def _shrink(image: np.ndarray) -> np.ndarray:
    return image_tools.resize_with_pad(image, _IMAGE_SIZE, _IMAGE_SIZE)
