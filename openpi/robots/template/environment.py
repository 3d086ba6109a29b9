"""Any robot of joint positions, by the description that the policy server sends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from openpi.client import image_tools, robot_description, robot_observation
from openpi.robots.driving import driver, glide
from openpi.robots.template import robot_file
from openpi.runtime import emergency_stop, environment

_IMAGE_SIZE = 224


class DescribedEnvironment(environment.Environment):
    """Observations are as the description says, images of 224 x 224 pixels, with `prompt` if there is one.

    The driver's joints are the numbers of the state in their order, and of an action; its cameras have the last part of the
    observation's names: `cam_high` of `images/cam_high`.
    """

    def __init__(
        self,
        robot: driver.Driver,
        description: robot_description.RobotDescription,
        file: robot_file.RobotFile,
        *,
        prompt: str | None,
        stop: emergency_stop.EmergencyStop,
    ) -> None:
        """Drives `robot`, whose limits and home are in `file`."""
        self._robot = robot
        self._description = description
        self._file = file
        self._prompt = prompt
        self._stop = stop

    def reset(self) -> None:
        glide.glide(
            self._robot.command,
            self._robot.read().joints,
            np.asarray(self._file.home, np.float64),
            hz=self._file.limits.hz,
            seconds=self._file.home_seconds,
            max_speed=np.inf,
            stop=self._stop,
        )

    def is_episode_complete(self) -> bool:
        return False

    def get_observation(self) -> dict:
        reading = self._robot.read()
        observation: dict[str, Any] = {} if self._prompt is None else {"prompt": self._prompt}
        start = 0
        for part in self._description.state:
            observation[part.key] = reading.joints[start : start + len(part.names)]
            start += len(part.names)
        for source in camera_sources(self._description):
            name = source.rpartition("/")[2]
            if name in reading.images:
                self._put(observation, source, name, reading.images[name])
        return observation

    def apply_action(self, action: dict) -> None:
        self._robot.command(np.asarray(action["actions"], np.float64))

    def measure(self, observation: dict) -> np.ndarray:
        """The joints of an observation, in the order of actions."""
        return robot_observation.read_state(self._description, observation)

    def _put(self, observation: dict[str, Any], source: str, name: str, image: np.ndarray) -> None:
        picture = image_tools.resize_with_pad(image, _IMAGE_SIZE, _IMAGE_SIZE)
        if self._description.image_layout == "chw":
            picture = picture.transpose(2, 0, 1)
        if self._description.camera_group:
            observation.setdefault(self._description.camera_group, {})[name] = picture
        else:
            observation[source] = picture


def camera_sources(description: robot_description.RobotDescription) -> tuple[str, ...]:
    """The images of an observation that the policy looks at."""
    return tuple(camera.source for camera in description.cameras if camera.source)


def describe(metadata: Mapping[str, Any], file: robot_file.RobotFile) -> robot_description.RobotDescription:
    """The robot of a server's policy.

    Raises:
      ValueError: the server does not say, or it is not the one of the file.
    """
    if "robot" not in metadata:
        raise ValueError(
            "the server does not describe its robot: serve a checkpoint of your configuration with //openpi/serve"
        )
    description = robot_description.from_dict(metadata["robot"])
    if description.state_names != description.actions:
        raise ValueError(
            f"the server's robot {description.name!r} has a state ({', '.join(description.state_names)}) other than its actions "
            f"({', '.join(description.actions)}): copy openpi/robots/ur5 and write its environment"
        )
    if description.actions != file.limits.names:
        raise ValueError(
            f"the server's robot {description.name!r} has the actions {', '.join(description.actions)}, and {file.path} limits "
            f"{', '.join(file.limits.names)}: they must be the same, in one order"
        )
    return description
