"""A real UR5e: joints through ur-rtde, a Robotiq gripper through its URCap, two RealSense cameras."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from openpi.robots.driving import driver, hardware_library
from openpi.robots.ur5 import limits, realsense, robotiq

# servoJ: seconds that a target looks ahead (0.03 to 0.2: more is smoother), and the gain of following it (100 to 2000).
_LOOKAHEAD_SECONDS = 0.1
_GAIN = 300
_FINEST_GRIPPER_STEP = 1 / 255


class Libraries(NamedTuple):
    """The modules that are needed."""

    control: Any
    receive: Any
    realsense: Any


def libraries() -> Libraries:
    """Imports them. Raises RuntimeError that names the first missing one and its remedy."""
    return Libraries(
        hardware_library.load("rtde_control", "pip install ur-rtde"),
        hardware_library.load("rtde_receive", "pip install ur-rtde"),
        hardware_library.load("pyrealsense2", "pip install pyrealsense2"),
    )


class Ur5Hardware:
    """The open robot. Its controller must be in remote control, its brakes released."""

    def __init__(self, modules: Libraries, host: str, cameras: Mapping[str, str]) -> None:
        """Opens it; the arm stays where it is, the gripper may move to find its ends.

        Args:
          modules: see `libraries`.
          host: address of the control box.
          cameras: name → serial number.

        Raises:
          RuntimeError, ConnectionError: a part does not answer.
        """
        with contextlib.ExitStack() as opened:
            self._receive = modules.receive.RTDEReceiveInterface(host)
            opened.callback(self._receive.disconnect)
            self._control = modules.control.RTDEControlInterface(host)
            opened.callback(self._control.stopScript)
            opened.callback(self._control.servoStop)
            self._gripper = robotiq.RobotiqGripper(host)
            opened.callback(self._gripper.close)
            self._cameras = {}
            for name, serial in cameras.items():
                self._cameras[name] = realsense.RealSenseCamera(modules.realsense, serial)
                opened.callback(self._cameras[name].close)
            self._opened = opened.pop_all()
        self._gripper_target: float | None = None

    def read(self) -> driver.Reading:
        """Raises RuntimeError if the controller has stopped the arm."""
        if self._receive.isProtectiveStopped() or self._receive.isEmergencyStopped():
            raise RuntimeError("the UR5's controller has stopped the arm: look at its pendant before you release it")
        joints = np.array([*self._receive.getActualQ(), self._gripper.position()])
        return driver.Reading(joints, {name: camera.read() for name, camera in self._cameras.items()})

    def command(self, targets: np.ndarray) -> None:
        # Speed and acceleration are not used by servoJ.
        accepted = self._control.servoJ(targets[:6].tolist(), 0.0, 0.0, 1 / limits.HZ, _LOOKAHEAD_SECONDS, _GAIN)
        if not accepted:
            raise RuntimeError(
                "the UR5's controller takes no commands: is it in remote control, and its program running?"
            )
        gripper = float(targets[6])
        if self._gripper_target is None or abs(gripper - self._gripper_target) >= _FINEST_GRIPPER_STEP:
            self._gripper.move(gripper)
            self._gripper_target = gripper

    def close(self) -> None:
        """The arm stays where it is."""
        self._opened.close()
