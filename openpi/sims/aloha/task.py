"""What a task of the simulated robot is: words for it, an expert who can do it, a measure of having done it."""

import dataclasses
from collections.abc import Callable

import numpy as np

from openpi.sims.aloha import scene as scene_lib


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
    """A task.

    Attributes:
        name: of the task.
        prompts: ways to ask for it; a policy is judged with the first.
        episode_steps: policy steps of 0.1 s that a policy gets.
        demonstration_steps: policy steps of a demonstration: until the expert is done, and some holding still.
        tolerance: shortfall, in metres, that counts as success.
        shortfall: how much a scene lacks to be what was asked for, metres.
        expert: (scene, the last joint targets [14]) -> the next joint targets [14].
    """

    name: str
    prompts: tuple[str, ...]
    episode_steps: int
    demonstration_steps: int
    tolerance: float
    shortfall: Callable[[scene_lib.Scene], float]
    expert: Callable[[scene_lib.Scene, np.ndarray], np.ndarray]
