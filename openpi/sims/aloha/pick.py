"""The pick task: grasp the cube with the right gripper, lift it at least 10 cm off the table, and hold it there."""

import numpy as np

from openpi.sims.aloha import motion, reach, task
from openpi.sims.aloha import scene as scene_lib

TOLERANCE_METRES = 0.03
# With the tolerance: the cube's centre at least 10 cm above where it lies on the table.
_HEIGHT = scene_lib.CUBE_ON_TABLE + 0.10 + TOLERANCE_METRES
_CARRY_HEIGHT = scene_lib.CUBE_ON_TABLE + 0.14
_NEAR = 0.012  # metres: close enough to lower the gripper around the cube, and to close it
_CAREFUL = 0.1  # radians a policy step
_CARRYING = 0.09


def grasp(scene: scene_lib.Scene, targets: np.ndarray) -> np.ndarray:
    """Joint targets [14] of the next policy step towards a right gripper that holds the cube."""
    cube, tip = scene.cube_position(), motion.fingertip(scene, "right")
    if np.linalg.norm(tip - cube) < _NEAR:
        return motion.towards(scene, targets, "right", cube, gripper=motion.CLOSED, max_step=_CAREFUL)
    if np.linalg.norm((tip - cube)[:2]) < _NEAR and motion.is_open(scene, "right"):
        return motion.towards(scene, targets, "right", cube, gripper=motion.OPEN, max_step=_CAREFUL)
    return motion.towards(scene, targets, "right", reach.hover_point(scene), gripper=motion.OPEN)


def lift(scene: scene_lib.Scene, targets: np.ndarray) -> np.ndarray:
    """Joint targets [14] of the next policy step, straight up, of a right gripper that holds the cube."""
    above = np.append(motion.fingertip(scene, "right")[:2], _CARRY_HEIGHT)
    return motion.towards(scene, targets, "right", above, gripper=motion.CLOSED, max_step=_CARRYING)


def height_lacking(scene: scene_lib.Scene) -> float:
    """How much the cube is too low, metres."""
    return _HEIGHT - float(scene.cube_position()[2])


def _shortfall(scene: scene_lib.Scene) -> float:
    """The larger of what lacks in height and of the way from the fingertip to the cube."""
    return max(height_lacking(scene), motion.cube_distance(scene, "right"))


def _expert(scene: scene_lib.Scene, targets: np.ndarray) -> np.ndarray:
    return lift(scene, targets) if motion.holds(scene, "right") else grasp(scene, targets)


TASK = task.Task(
    name="pick",
    prompts=("pick up the cube", "lift the cube", "take the cube off the table"),
    episode_steps=40,
    demonstration_steps=26,  # the cube is up after about 17
    tolerance=TOLERANCE_METRES,
    shortfall=_shortfall,
    expert=_expert,
)
