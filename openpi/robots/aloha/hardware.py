"""A real ALOHA: two ViperX 300 arms through ROS 1 and Interbotix' modules, cameras as ROS topics."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from openpi.robots.aloha import environment, limits
from openpi.robots.driving import driver, hardware_library

_ROS = "install ROS noetic (sudo apt install ros-noetic-desktop) and source /opt/ros/noetic/setup.bash"
_INTERBOTIX = "install Interbotix' ROS 1 packages for X-Series arms and source their workspace's devel/setup.bash"
_ALOHA = "build the catkin package aloha, which defines RGBGrayscaleImage, and source its workspace"
_FIRST_MESSAGE_SECONDS = 10.0
_FRAME_SECONDS = 1.0
_FINGER_INDEX = 7  # of an arm's joint_states


class Libraries(NamedTuple):
    """The modules that are needed."""

    rospy: Any
    sensor_messages: Any
    arm: Any
    arm_messages: Any
    camera_messages: Any


def libraries() -> Libraries:
    """Imports them. Raises RuntimeError that names the first missing one and its remedy."""
    return Libraries(
        hardware_library.load("rospy", _ROS),
        hardware_library.load("sensor_msgs.msg", _ROS),
        hardware_library.load("interbotix_xs_modules.arm", _INTERBOTIX),
        hardware_library.load("interbotix_xs_msgs.msg", _INTERBOTIX),
        hardware_library.load("aloha.msg", _ALOHA),
    )


class _Latest:
    """The newest message of a topic."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._message: Any = None
        self._count = 0

    def put(self, message: Any) -> None:
        with self._condition:
            self._message = message
            self._count += 1
            self._condition.notify_all()

    def get(self, topic: str, *, after: int, seconds: float) -> tuple[Any, int]:
        """A message later than number `after`, and its number. Raises RuntimeError if none comes in time."""
        with self._condition:
            if not self._condition.wait_for(lambda: self._count > after, seconds):
                raise RuntimeError(
                    f"nothing comes from {topic} for {seconds:g} s: is its node running, its cable plugged?"
                )
            return self._message, self._count


class AlohaHardware:
    """Moves the two puppet arms, `puppet_left` and `puppet_right`, whose nodes must be running."""

    def __init__(self, modules: Libraries) -> None:
        """Switches the arms on, which stay where they are. Raises RuntimeError if an arm or camera is silent."""
        self._modules = modules
        self._arms = [
            modules.arm.InterbotixManipulatorXS(
                robot_model="vx300s",
                group_name="arm",
                gripper_name="gripper",
                robot_name=f"puppet_{side}",
                init_node=side == limits.SIDES[0],
            )
            for side in limits.SIDES
        ]
        self._joint_topics = {f"/puppet_{side}/joint_states": _Latest() for side in limits.SIDES}
        self._camera_topics = {f"/{name}": _Latest() for name in environment.CAMERAS}
        self._seen = dict.fromkeys(self._camera_topics, 0)
        self._subscribe(self._joint_topics, modules.sensor_messages.JointState)
        self._subscribe(self._camera_topics, modules.camera_messages.RGBGrayscaleImage)
        for topic, latest in {**self._joint_topics, **self._camera_topics}.items():
            latest.get(topic, after=0, seconds=_FIRST_MESSAGE_SECONDS)
        for arm in self._arms:
            arm.dxl.robot_set_operating_modes("group", "arm", "position")
            arm.dxl.robot_torque_enable("group", "arm", True)

    def wake_grippers(self) -> None:
        for arm in self._arms:
            arm.dxl.robot_reboot_motors("single", "gripper", True)
            arm.dxl.robot_set_operating_modes("single", "gripper", "current_based_position")
            arm.dxl.robot_torque_enable("single", "gripper", True)

    def read(self) -> driver.Reading:
        joints = []
        for topic, latest in self._joint_topics.items():
            message, _ = latest.get(topic, after=0, seconds=_FRAME_SECONDS)
            joints += [*message.position[:6], message.position[_FINGER_INDEX]]
        images = {}
        for topic, latest in self._camera_topics.items():
            message, self._seen[topic] = latest.get(topic, after=self._seen[topic], seconds=_FRAME_SECONDS)
            images[topic[1:]] = decode(message.images[0])
        return driver.Reading(np.array(joints), images)

    def command(self, targets: np.ndarray) -> None:
        for arm, numbers in zip(self._arms, np.split(targets, len(self._arms))):
            arm.arm.set_joint_positions(numbers[:6].tolist(), blocking=False)
            message = self._modules.arm_messages.JointSingleCommand(name="gripper", cmd=float(numbers[6]))
            arm.gripper.core.pub_single.publish(message)

    def close(self) -> None:
        """The motors keep their torque: a released arm falls."""

    def _subscribe(self, topics: Mapping[str, _Latest], kind: Any) -> None:
        for topic, latest in topics.items():
            self._modules.rospy.Subscriber(topic, kind, latest.put, queue_size=1)


def decode(image: Any) -> np.ndarray:
    """A ROS image of 8-bit colours as [H, W, 3], in the order BGR: as the published program reads it.

    Raises:
      RuntimeError: it is no such image.
    """
    order = {"bgr8": slice(None), "rgb8": slice(None, None, -1)}.get(image.encoding)
    if order is None or image.step < 3 * image.width or len(image.data) != image.step * image.height:
        raise RuntimeError(
            f"a camera sends {len(image.data)} bytes of {image.encoding}, {image.height} x {image.width}: set it to rgb8 or bgr8"
        )
    rows = np.frombuffer(image.data, np.uint8).reshape(image.height, image.step)
    return rows[:, : 3 * image.width].reshape(image.height, image.width, 3)[..., order].copy()
