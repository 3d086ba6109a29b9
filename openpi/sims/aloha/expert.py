"""The scripted expert: where the arm should end, and the next joint targets on the way.

It is a feedback law, not a recorded trajectory: the next targets depend on the present ones and the goal alone. So a
policy that replans at any moment finds demonstrations of just that moment, and at the goal the law holds still.
"""

import numpy as np

from openpi.sims.aloha import kinematics
from openpi.sims.aloha import scene as scene_lib

HOVER_METRES = 0.06  # fingertip above the cube's centre: 4 cm above its top
_GAIN = 0.5  # share of the way that is left, a policy step: the approach slows down
_MAX_STEP = 0.12  # radians a policy step, of the joint with the longest way


def hover_point(scene: scene_lib.Scene) -> np.ndarray:
    """Where the fingertip should be [3], metres, for the cube where it lies now."""
    return scene.cube_position() + np.array([0.0, 0.0, HOVER_METRES])


def solve_goal(scene: scene_lib.Scene) -> np.ndarray:
    """Joint angles [4] of the right arm at the hover point. ValueError: out of reach."""
    return kinematics.solve(scene.model, scene.data, hover_point(scene))


def next_targets(targets: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """The joint targets [14] of the next policy step (0.1 s) after `targets` [14], on the way to `goal` [4]."""
    way = goal - targets[kinematics.JOINT_INDICES]
    share = min(_GAIN, _MAX_STEP / max(float(np.abs(way).max()), 1e-9))
    following = np.array(targets, np.float64)
    following[kinematics.JOINT_INDICES] += share * way
    return following
