"""What the scripted experts are made of: one policy step of an arm towards a point, and whether a gripper holds the cube.

Experts are feedback laws, not recorded trajectories: the next joint targets depend on what is there now and on the last
targets alone, on no clock and no hidden phase. So a policy that replans at any moment finds demonstrations of just that
moment, a cube that slipped is grasped again, and at the goal the law holds still.
"""

import contextlib

import numpy as np

from openpi.sims.aloha import kinematics
from openpi.sims.aloha import scene as scene_lib

GRIPPER_INDICES = {"left": 6, "right": 13}  # in a 14-entry joint vector
OPEN, CLOSED = 1.0, 0.0
_ROLL_INDICES = {"left": 5, "right": 12}
_GAIN = 0.5  # share of the way that is left, a policy step: the approach slows down
_MAX_ROLL_STEP = 0.3  # radians a policy step
_HELD_METRES = 0.025  # from the fingertip to the centre of a cube that is held
_HELD_OPENING = 0.8  # around the cube a gripper stops at 0.6 to 0.75


def towards(
    scene: scene_lib.Scene,
    targets: np.ndarray,
    side: str,
    point: np.ndarray,
    *,
    pitch: float = kinematics.STEEP,
    roll: float | None = None,
    gripper: float | None = None,
    max_step: float = 0.12,
) -> np.ndarray:
    """The joint targets [14] of the next policy step (0.1 s), in which one arm's fingertip approaches a point.

    An arm whose point is out of its reach stays where it is.

    Args:
        scene: as it is now.
        targets: [14], of the step before.
        side: the arm that moves, "left" or "right"; the other's targets stay.
        point: [3], metres.
        pitch: of the gripper below the horizon, radians.
        roll: of the wrist, radians; None: as it is.
        gripper: its opening, 0 to 1; None: as it is.
        max_step: radians a policy step, of the joint with the longest way.
    """
    following = np.array(targets, np.float64)
    indices = kinematics.JOINT_INDICES[side]
    with contextlib.suppress(ValueError):  # out of reach
        way = kinematics.solve(scene.model, scene.data, point, side=side, pitch=pitch) - following[indices]
        following[indices] += min(_GAIN, max_step / max(float(np.abs(way).max()), 1e-9)) * way
    if roll is not None:
        index = _ROLL_INDICES[side]
        following[index] += np.clip(roll - following[index], -_MAX_ROLL_STEP, _MAX_ROLL_STEP)
    if gripper is not None:
        following[GRIPPER_INDICES[side]] = gripper
    return following


def fingertip(scene: scene_lib.Scene, side: str) -> np.ndarray:
    """Position [3] between the finger tips of the "left" or "right" arm, metres."""
    return kinematics.fingertip(scene.model, scene.data, side)


def is_open(scene: scene_lib.Scene, side: str) -> bool:
    """Whether a gripper is wide enough to go around the cube or to leave it."""
    return bool(scene.joints()[GRIPPER_INDICES[side]] > _HELD_OPENING)


def holds(scene: scene_lib.Scene, side: str) -> bool:
    """Whether the cube is between a gripper's fingers, closed on it."""
    return not is_open(scene, side) and cube_distance(scene, side) < _HELD_METRES


def cube_distance(scene: scene_lib.Scene, side: str) -> float:
    """From an arm's fingertip to the cube's centre, metres."""
    return float(np.linalg.norm(scene.cube_position() - fingertip(scene, side)))
