"""The reach task: bring the right fingertip to 4 cm above the cube, and stay there."""

import numpy as np

from openpi.sims.aloha import motion, task
from openpi.sims.aloha import scene as scene_lib

_HOVER_METRES = 0.06  # fingertip above the cube's centre: 4 cm above its top


def hover_point(scene: scene_lib.Scene) -> np.ndarray:
    """Where the fingertip should be [3], metres, for the cube where it lies now."""
    return scene.cube_position() + np.array([0.0, 0.0, _HOVER_METRES])


def _shortfall(scene: scene_lib.Scene) -> float:
    """Distance of the fingertip from the hover point."""
    return float(np.linalg.norm(motion.fingertip(scene, "right") - hover_point(scene)))


def _expert(scene: scene_lib.Scene, targets: np.ndarray) -> np.ndarray:
    return motion.towards(scene, targets, "right", hover_point(scene))


TASK = task.Task(
    name="reach",
    prompts=("reach the cube", "move over the cube", "go to the cube"),
    episode_steps=25,
    demonstration_steps=14,  # the expert arrives after about 10
    tolerance=0.03,
    shortfall=_shortfall,
    expert=_expert,
)
