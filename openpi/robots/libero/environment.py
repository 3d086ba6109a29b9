"""The benchmark's episodes as the runtime drives them, whatever simulates them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

import numpy as np

from openpi.client import image_tools
from openpi.robots.libero import rotation, suites
from openpi.runtime import environment as environment_lib


class SimulationError(RuntimeError):
    """The simulation of an episode broke; others may be begun."""


class Step(NamedTuple):
    """What the simulator gives: `observation` by LIBERO's own names, `done` once the task is."""

    observation: Mapping[str, np.ndarray]
    done: bool


class Simulator(Protocol):
    """A suite, opened."""

    tasks: tuple[str, ...]  # their instructions

    def begin(self, task: int, trial: int) -> Mapping[str, np.ndarray]:
        """Puts a task into the given one of its starts, and returns the observation. May raise SimulationError."""

    def step(self, action: np.ndarray) -> Step:
        """Carries out [7]: movement of the hand, gripper. May raise SimulationError."""


class LiberoEnvironment(environment_lib.Environment):
    """Plays given episodes one after the other: settles, then gives the policy its steps."""

    def __init__(self, simulator: Simulator, suite: str, episodes: Iterable[tuple[int, int]]) -> None:
        """Plays `episodes` (task, trial) of `suite`, which `simulator` has open."""
        self._simulator, self._max_steps = simulator, suites.MAX_STEPS[suite]
        self._episodes = iter(episodes)
        self._prompt = ""
        self._seen: Mapping[str, np.ndarray] = {}
        self.episode: tuple[int, int] | None = None
        self.steps, self.success, self.broken = 0, False, False

    def reset(self) -> None:
        """Begins the next episode; after the last there is nothing to do."""
        following = next(self._episodes, None)
        if following is None:
            return
        self.episode, self._prompt = following, self._simulator.tasks[following[0]]
        self.steps, self.success, self.broken = 0, False, False
        self._seen = self._simulator.begin(*following)
        for _ in range(suites.SETTLE_STEPS):  # as published: a task that is done while things settle is not done
            self._seen = self._simulator.step(np.array(suites.SETTLE_ACTION)).observation

    def is_episode_complete(self) -> bool:
        return self.success or self.broken or self.steps >= self._max_steps

    def get_observation(self) -> dict:
        """What LIBERO's policies see: two images, turned by half a turn, `observation/state` [8] and the prompt."""
        return {**observe(self._seen), "prompt": self._prompt}

    def apply_action(self, action: dict) -> None:
        """Carries out `action["actions"]` [7]. A simulation that breaks ends the episode as a failure."""
        actions = np.asarray(action["actions"], np.float64)
        if actions.shape != (len(suites.ACTIONS),):
            raise ValueError(
                f'action["actions"] has shape {actions.shape}, and LIBERO takes {len(suites.ACTIONS)} numbers'
            )
        self.steps += 1
        try:
            self._seen, self.success = self._simulator.step(actions)
        except SimulationError:
            self.broken = True


def observe(seen: Mapping[str, np.ndarray]) -> dict:
    """The policy's observation, without its prompt, of LIBERO's.

    Args:
      seen: `agentview_image` and `robot0_eye_in_hand_image` uint8 [H, W, 3], `robot0_eef_pos` [3], `robot0_eef_quat` [4]
        (x, y, z, w), `robot0_gripper_qpos` [2].
    """
    state = (seen["robot0_eef_pos"], rotation.axis_angle(seen["robot0_eef_quat"]), seen["robot0_gripper_qpos"])
    return {
        "observation/image": _image(seen["agentview_image"]),
        "observation/wrist_image": _image(seen["robot0_eye_in_hand_image"]),
        "observation/state": np.concatenate(state),
    }


def _image(image: np.ndarray) -> np.ndarray:
    """Turned by half a turn, as in the training data; uint8 [224, 224, 3]."""
    turned = image_tools.convert_to_uint8(np.ascontiguousarray(image[::-1, ::-1]))
    return image_tools.resize_with_pad(turned, suites.IMAGE_SIZE, suites.IMAGE_SIZE)
