"""What DROID's robot may do: a Franka arm with a Robotiq gripper, by Franka's figures of its joints."""

from __future__ import annotations

import functools
import math

from openpi.robots.driving import screws
from openpi.runtime import safety_limits

HZ = 15.0
JOINTS = tuple(f"joint_{number}" for number in range(1, 8))
HOME = (0.0, -math.pi / 5, 0.0, -4 * math.pi / 5, 0.0, 3 * math.pi / 5, 0.0)  # where DROID resets to

# What DROID's controller makes of a velocity of 1 in one step: radians.
VELOCITY_STEP = 0.2

# Radians and rad/s, in the order of JOINTS.
_RANGES = (
    (-2.8973, 2.8973),
    (-1.7628, 1.7628),
    (-2.8973, 2.8973),
    (-3.0718, -0.0698),
    (-2.8973, 2.8973),
    (-0.0175, 3.7525),
    (-2.8973, 2.8973),
)
_SPEEDS = (2.175, 2.175, 2.175, 2.175, 2.61, 2.61, 2.61)

# Metres, in the frame of the base: x to the front, z up.
_SCREWS = (
    screws.Screw((0, 0, 0), (0, 0, 1)),
    screws.Screw((0, 0, 0.333), (0, 1, 0)),
    screws.Screw((0, 0, 0), (0, 0, 1)),
    screws.Screw((0.0825, 0, 0.649), (0, -1, 0)),
    screws.Screw((0, 0, 0), (0, 0, 1)),
    screws.Screw((0, 0, 1.033), (0, -1, 0)),
    screws.Screw((0.088, 0, 0), (0, 0, -1)),
)
_FLANGE = (0.088, 0, 0.926)  # at 0
_GRIPPER_LENGTH = 0.163  # from the flange to the fingertips

flange = functools.partial(screws.position, _SCREWS, _FLANGE)
"""Joints [7] → where the flange is, [3] metres."""
fingertip = functools.partial(screws.position, _SCREWS, (_FLANGE[0], _FLANGE[1], _FLANGE[2] - _GRIPPER_LENGTH))
"""Joints [7] → where the fingertips are, [3] metres."""

LIMITS = safety_limits.Limits(
    joints=(
        *(
            safety_limits.Joint(name, *bounds, max_speed=speed, velocity_step=VELOCITY_STEP)
            for name, bounds, speed in zip(JOINTS, _RANGES, _SPEEDS)
        ),
        safety_limits.Joint("gripper", 0.0, 1.0),
    ),
    hz=HZ,
    max_age=1.0,
    workspaces=(
        # The base stands on the table's height; DROID's tables are a little lower.
        safety_limits.Workspace("fingertip", JOINTS, fingertip, (-0.3, -0.8, -0.1), (0.9, 0.8, 1.2)),
    ),
)
