"""DROID's real robot, through the environment of DROID's own repository on its control laptop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from openpi.robots.driving import driver, hardware_library

_REMEDY = (
    "set up DROID's control laptop (https://droid-dataset.github.io/droid) and run this in its Python environment, where "
    "`pip install -e droid` was done"
)


class Libraries(NamedTuple):
    """The modules that are needed."""

    robot_env: Any


def libraries() -> Libraries:
    """Imports them. Raises RuntimeError that names the missing one and its remedy."""
    return Libraries(hardware_library.load("droid.robot_env", _REMEDY))


class DroidHardware:
    """The open robot: DROID's RobotEnv, with joint velocities and the gripper's place as actions."""

    def __init__(self, modules: Libraries, cameras: Mapping[str, str]) -> None:
        """Opens it. `cameras`: "left", "right", "wrist" → the ZED camera's number."""
        self._cameras = dict(cameras)
        self._environment = modules.robot_env.RobotEnv(action_space="joint_velocity", gripper_action_space="position")

    def read(self) -> driver.Reading:
        """Raises RuntimeError if a camera is not there."""
        observation = self._environment.get_observation()
        state = observation["robot_state"]
        joints = np.append(np.asarray(state["joint_positions"], np.float64), state["gripper_position"])
        return driver.Reading(joints, {name: self._image(observation["image"], name) for name in self._cameras})

    def command(self, targets: np.ndarray) -> None:
        self._environment.step(targets)

    def home(self) -> None:
        self._environment.reset()

    def close(self) -> None:
        """DROID's servers go on, and the robot stays where it is."""

    def _image(self, images: Mapping[str, np.ndarray], name: str) -> np.ndarray:
        """The left picture of a stereo camera, BGR with or without alpha, as RGB."""
        number = self._cameras[name]
        keys = [key for key in images if number in key and "left" in key]
        if not keys:
            raise RuntimeError(
                f"no camera {number} (--{name}_camera_id) is among DROID's: {', '.join(sorted(images)) or 'none'}"
            )
        return np.ascontiguousarray(images[keys[0]][..., 2::-1])
