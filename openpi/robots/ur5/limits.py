"""What a UR5e with a Robotiq 2F-85 may do; Universal Robots' figures, at a third of their speeds."""

from __future__ import annotations

import functools
import math

from openpi.robots.driving import screws
from openpi.runtime import safety_limits

HZ = 20.0
JOINTS = ("shoulder_pan", "shoulder_lift", "elbow", "wrist_1", "wrist_2", "wrist_3")
HOME = (0.0, -math.pi / 2, math.pi / 2, -math.pi / 2, -math.pi / 2, 0.0)  # upright, the gripper pointing down

_SPEED = 1.0  # rad/s; the arm itself can do pi
_GRIPPER_SPEED = 2.0  # from open to closed in half a second
_GRIPPER_LENGTH = 0.163  # from the flange to the fingertips, metres

# Metres, in the frame of the base: the arm at 0 lies along -x, z is up.
_SCREWS = (
    screws.Screw((0, 0, 0), (0, 0, 1)),
    screws.Screw((0, 0, 0.1625), (0, -1, 0)),
    screws.Screw((-0.425, 0, 0.1625), (0, -1, 0)),
    screws.Screw((-0.8172, 0, 0.1625), (0, -1, 0)),
    screws.Screw((-0.8172, -0.1333, 0), (0, 0, -1)),
    screws.Screw((-0.8172, 0, 0.0628), (0, -1, 0)),
)
FLANGE = (-0.8172, -0.2329, 0.0628)  # at 0
_FINGERTIP = (FLANGE[0], FLANGE[1] - _GRIPPER_LENGTH, FLANGE[2])

flange = functools.partial(screws.position, _SCREWS, FLANGE)
"""Joints [6] → where the flange is, [3] metres."""
fingertip = functools.partial(screws.position, _SCREWS, _FINGERTIP)
"""Joints [6] → where the closed fingertips are, [3] metres."""

LIMITS = safety_limits.Limits(
    joints=(
        *(
            safety_limits.Joint(name, -reach, reach, max_speed=_SPEED)
            for name in JOINTS
            for reach in (math.pi if name == "elbow" else 2 * math.pi,)
        ),
        safety_limits.Joint("gripper", 0.0, 1.0, max_speed=_GRIPPER_SPEED),
    ),
    hz=HZ,
    max_age=1.0,
    workspaces=(
        # The table is at the height of the base.
        safety_limits.Workspace("fingertip", JOINTS, fingertip, (-0.9, -0.9, 0.005), (0.9, 0.9, 1.2)),
        safety_limits.Workspace("flange", JOINTS, flange, (-0.9, -0.9, 0.1), (0.9, 0.9, 1.3)),
    ),
)
