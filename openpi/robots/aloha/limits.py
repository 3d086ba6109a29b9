"""What an ALOHA may do: two ViperX 300 6-DOF arms on a table, by Interbotix' figures of their joints."""

from __future__ import annotations

import functools
import math

from openpi.robots.driving import screws
from openpi.runtime import safety_limits

HZ = 50.0
ARM_JOINTS = ("waist", "shoulder", "elbow", "forearm_roll", "wrist_angle", "wrist_rotate")
SIDES = ("left", "right")

# Radians, in the order of ARM_JOINTS.
_RANGES = (
    (-3.14158, 3.14158),
    (-1.85005, 1.25664),
    (-1.76278, 1.6057),
    (-3.14158, 3.14158),
    (-1.8675, 2.23402),
    (-3.14158, 3.14158),
)
_ARM_SPEED = math.pi  # rad/s
_GRIPPER_SPEED = 5.0  # from closed to open in a fifth of a second

# Metres, in the frame of an arm's base: x to the front, z up.
_SCREWS = (
    screws.Screw((0, 0, 0), (0, 0, 1)),
    screws.Screw((0, 0, 0.12705), (0, 1, 0)),
    screws.Screw((0.05955, 0, 0.42705), (0, 1, 0)),
    screws.Screw((0.25955, 0, 0.42705), (1, 0, 0)),
    screws.Screw((0.35955, 0, 0.42705), (0, 1, 0)),
    screws.Screw((0.429294, 0, 0.42705), (1, 0, 0)),
)
_FINGERTIP = (0.579294, 0, 0.42705)

fingertip = functools.partial(screws.position, _SCREWS, _FINGERTIP)
"""Joints [6] of an arm → where its fingertips are in the frame of its base, [3] metres."""


def _arm(side: str) -> tuple[safety_limits.Joint, ...]:
    joints = (
        safety_limits.Joint(f"{side}_{name}", *bounds, max_speed=_ARM_SPEED)
        for name, bounds in zip(ARM_JOINTS, _RANGES)
    )
    return (*joints, safety_limits.Joint(f"{side}_gripper", 0.0, 1.0, max_speed=_GRIPPER_SPEED))


def _workspace(side: str) -> safety_limits.Workspace:
    """The table is at the height of the base; fingers may press on it a little."""
    names = tuple(f"{side}_{name}" for name in ARM_JOINTS)
    return safety_limits.Workspace(f"{side} fingertip", names, fingertip, (-0.3, -0.7, -0.02), (0.8, 0.7, 0.9))


LIMITS = safety_limits.Limits(
    joints=(*_arm("left"), *_arm("right")),
    hz=HZ,
    max_age=1.0,
    workspaces=(_workspace("left"), _workspace("right")),
)
