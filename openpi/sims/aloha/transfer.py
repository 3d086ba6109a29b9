"""The transfer task: the right gripper picks the cube up, the left one takes it over in the air, and keeps it.

The hands meet at one point: the right one points down steeply and holds the cube at its sides, the left one comes level,
rolled by a quarter turn, and closes on top and bottom.
"""

import numpy as np

from openpi.sims.aloha import motion, pick, task
from openpi.sims.aloha import scene as scene_lib

_MEETING = np.array([0.05, 0.5, 0.17])  # metres
_LEFT_WAITS = _MEETING - [0.10, 0.0, 0.0]
_RIGHT_LEAVES = _MEETING + [0.12, 0.0, 0.06]
_APART = 0.10  # metres from the right fingertip to the cube that the left hand has alone
_NEAR = 0.012  # metres
_LOW = 0.08  # metres: from here up the cube is carried sideways too
_CARRYING = 0.09  # radians a policy step


def _left(scene: scene_lib.Scene, targets: np.ndarray, point: np.ndarray, gripper: float) -> np.ndarray:
    return motion.towards(scene, targets, "left", point, pitch=0.0, roll=np.pi / 2, gripper=gripper, max_step=0.15)


def _expert(scene: scene_lib.Scene, targets: np.ndarray) -> np.ndarray:
    in_right, in_left = motion.holds(scene, "right"), motion.holds(scene, "left")
    if in_left:
        targets = _left(scene, targets, _MEETING, motion.CLOSED)
        where = _MEETING if in_right else _RIGHT_LEAVES
        return motion.towards(scene, targets, "right", where, gripper=motion.OPEN)
    if not in_right:
        return _left(scene, pick.grasp(scene, targets), _LEFT_WAITS, motion.OPEN)
    tip = motion.fingertip(scene, "right")
    if np.linalg.norm(tip - _MEETING) > _NEAR:
        if tip[2] < _LOW:
            targets = pick.lift(scene, targets)
        else:
            targets = motion.towards(scene, targets, "right", _MEETING, gripper=motion.CLOSED, max_step=_CARRYING)
        return _left(scene, targets, _LEFT_WAITS, motion.OPEN)
    gripper = motion.CLOSED if motion.cube_distance(scene, "left") < _NEAR else motion.OPEN
    targets = motion.towards(scene, targets, "right", _MEETING, gripper=motion.CLOSED)
    return _left(scene, targets, scene.cube_position(), gripper)


def _shortfall(scene: scene_lib.Scene) -> float:
    """The largest of what lacks in height, of the way from the left fingertip to the cube, and of the right hand's too near."""
    too_near = _APART + pick.TOLERANCE_METRES - motion.cube_distance(scene, "right")
    return max(pick.height_lacking(scene), motion.cube_distance(scene, "left"), too_near)


TASK = task.Task(
    name="transfer",
    prompts=("hand the cube over", "give the cube to the left hand", "pass the cube to the other hand"),
    episode_steps=70,
    demonstration_steps=40,  # the left hand has the cube after about 28
    tolerance=pick.TOLERANCE_METRES,
    shortfall=_shortfall,
    expert=_expert,
)
