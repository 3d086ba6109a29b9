"""ALOHA as the runtime drives it: units of the published policies above, of the motors below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from openpi.client import image_tools
from openpi.robots.aloha import limits
from openpi.robots.driving import driver, glide
from openpi.runtime import emergency_stop, environment

CAMERAS = ("cam_high", "cam_low", "cam_left_wrist", "cam_right_wrist")
DEFAULT_RESET_POSE = (0.0, -0.96, 1.16, 0.0, -0.3, 0.0)  # of each arm, radians

FINGER = (0.01844, 0.05800)  # where a finger stands, closed and open: metres
GRIPPER_MOTOR = (-0.6213, 1.4910)  # the angle of its motor: radians

_IMAGE_SIZE = 224
_GRIPPERS = (6, 13)
_ARMS = [index for index in range(14) if index not in _GRIPPERS]
_HOME_SPEED = 1.0  # rad/s
_MOVE_SECONDS, _CLOSE_SECONDS, _OPEN_SECONDS = 1.0, 1.0, 0.5


class AlohaDriver(driver.Driver, Protocol):
    """Joints are [14]: of the left arm 6 angles and the place of a finger (m), then of the right one.

    Commands are [14]: the same angles, and those of the gripper motors.
    """

    def wake_grippers(self) -> None:
        """Restarts the gripper motors, which a hard grasp may have switched off."""


class AlohaEnvironment(environment.Environment):
    """Observations: `state` [14], grippers 0 (closed) to 1 (open); `images`: camera → uint8 [3, 224, 224]; `prompt`, if any."""

    def __init__(
        self,
        robot: AlohaDriver,
        *,
        reset_pose: Sequence[float] = DEFAULT_RESET_POSE,
        prompt: str | None = None,
        stop: emergency_stop.EmergencyStop,
    ) -> None:
        """Drives `robot`.

        Args:
          robot: the open robot.
          reset_pose: [6] angles of each arm before an episode.
          prompt: what it should do; None leaves that to the server.
          stop: looked at on the way home.
        """
        self._robot = robot
        self._reset_pose = np.asarray(reset_pose, np.float64)
        self._prompt = prompt
        self._stop = stop

    def reset(self) -> None:
        """Brings the arms to the pose, then closes and opens the grippers."""
        self._robot.wake_grippers()
        here = _to_motors(_to_state(self._robot.read().joints))
        there = here.copy()
        there[_ARMS] = np.tile(self._reset_pose, 2)
        closed, opened = there.copy(), there.copy()
        closed[list(_GRIPPERS)], opened[list(_GRIPPERS)] = GRIPPER_MOTOR
        for start, goal, seconds in (
            (here, there, _MOVE_SECONDS),
            (there, closed, _CLOSE_SECONDS),
            (closed, opened, _OPEN_SECONDS),
        ):
            speed = _HOME_SPEED if goal is there else np.inf
            glide.glide(
                self._robot.command, start, goal, hz=limits.HZ, seconds=seconds, max_speed=speed, stop=self._stop
            )

    def is_episode_complete(self) -> bool:
        return False

    def get_observation(self) -> dict:
        reading = self._robot.read()
        images = {name: _shrink(image) for name, image in reading.images.items() if not name.endswith("_depth")}
        prompt = {} if self._prompt is None else {"prompt": self._prompt}
        return {"state": _to_state(reading.joints), "images": images, **prompt}

    def apply_action(self, action: dict) -> None:
        """Sends `actions` [14], grippers 0 to 1."""
        self._robot.command(_to_motors(np.asarray(action["actions"], np.float64)))


def reset_pose(metadata: Mapping[str, Any]) -> tuple[float, ...]:
    """The pose that a server wants, else the usual one.

    Raises:
      ValueError: it is none, or beyond the arm's limits.
    """
    if "reset_pose" not in metadata:
        return DEFAULT_RESET_POSE
    pose = metadata["reset_pose"]
    if not isinstance(pose, (list, tuple)) or len(pose) < 6 or not all(isinstance(x, (int, float)) for x in pose[:6]):
        raise ValueError(f"the server's reset_pose={pose!r:.80} must be 6 angles: mend config.policy_metadata there")
    for joint, angle in zip(limits.LIMITS.joints, pose[:6]):
        if not joint.lower <= angle <= joint.upper:
            raise ValueError(
                f"the server's reset_pose has {joint.name} at {angle:g}, beyond {joint.lower:g} to {joint.upper:g}: mend "
                "config.policy_metadata there"
            )
    return tuple(float(angle) for angle in pose[:6])


def _to_state(joints: np.ndarray) -> np.ndarray:
    state = np.array(joints, np.float64)
    closed, opened = FINGER
    state[list(_GRIPPERS)] = (state[list(_GRIPPERS)] - closed) / (opened - closed)
    return state


def _to_motors(numbers: np.ndarray) -> np.ndarray:
    command = numbers.copy()
    closed, opened = GRIPPER_MOTOR
    command[list(_GRIPPERS)] = command[list(_GRIPPERS)] * (opened - closed) + closed
    return command


def _shrink(image: np.ndarray) -> np.ndarray:
    return image_tools.resize_with_pad(image, _IMAGE_SIZE, _IMAGE_SIZE).transpose(2, 0, 1)
