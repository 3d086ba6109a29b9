"""Any gymnasium environment as the runtime's Environment."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from openpi.runtime import environment as environment_lib

SUCCESS_KEYS = ("is_success", "success")  # what environments call it in their `info`


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came of an episode, so far.

    Attributes:
      seed: the environment was reset with it: the same seed begins the same episode.
      steps: that were made.
      success: whether `info` told of success at any step; None: it never told of either.
      total_reward, max_reward: of all steps; 0 and minus infinity before the first.
      terminated: the environment ended the episode, be it by success or failure.
      truncated: its time limit did.
    """

    seed: int
    steps: int = 0
    success: bool | None = None
    total_reward: float = 0.0
    max_reward: float = float("-inf")
    terminated: bool = False
    truncated: bool = False


class GymEnvironment(environment_lib.Environment):
    """Drives an environment of gymnasium's interface: `reset(seed=)`, `step(action)`, `render()`, `close()`."""

    def __init__(
        self,
        env: Any,
        *,
        observe: Mapping[str, str] | Callable[[Any], dict],
        act: Callable[[np.ndarray], Any] | None = None,
        prompt: str | None = None,
        seed: int = 0,
    ) -> None:
        """Wraps `env`, see `make`.

        Args:
          env: a single environment.
          observe: what the policy sees: a function of the environment's observation; or as data, path -> path in the
            environment's observation, levels parted by "/", "" for all of it: {"state": "agent_pos", "images/top": "pixels/top"}.
          act: makes the environment's action of the policy's `actions` [A]; None: the same numbers, in the dtype of the action
            space, whose shape must be theirs. They are not clipped to the space.
          prompt: is added to the observations.
          seed: of the generator that each episode's seed is drawn from.

        Raises:
          ValueError: `env` is several environments at once.
        """
        if hasattr(env, "num_envs"):
            raise ValueError(f"env is {env.num_envs} environments in one: give a single one, made by gymnasium.make")
        self._env, self._prompt = env, prompt
        self._observe = observe if callable(observe) else lambda observation: _pick(observe, observation)
        self._act = act or self._as_action
        self._rng = np.random.default_rng(seed)
        self._observation: Any = None
        self.outcome = Outcome(seed)

    def reset(self, *, seed: int | None = None) -> None:
        """Begins the episode of `seed`, or of the next seed that the generator gives."""
        seed = int(self._rng.integers(2**32 - 1)) if seed is None else seed
        reset = self._env.reset(seed=seed)
        if not (isinstance(reset, tuple) and len(reset) == 2):
            raise ValueError(
                "env.reset returns no (observation, info): wrap this environment of the old gym with shimmy"
            )
        self._observation, self.outcome = reset[0], Outcome(seed)

    def is_episode_complete(self) -> bool:
        return self.outcome.terminated or self.outcome.truncated

    def get_observation(self) -> dict:
        observation = self._observe(self._observation)
        return observation if self._prompt is None else {**observation, "prompt": self._prompt}

    def apply_action(self, action: dict) -> None:
        """Makes a step with `action["actions"]` [A].

        Raises:
          ValueError: it is no action of the environment, or the environment has another interface.
        """
        step = self._env.step(self._act(np.asarray(action["actions"])))
        if len(step) != 5:
            raise ValueError(
                f"env.step returns {len(step)} values, not 5: wrap this environment of the old gym with shimmy"
            )
        self._observation, reward, terminated, truncated, info = step
        self.outcome = dataclasses.replace(
            self.outcome,
            steps=self.outcome.steps + 1,
            success=_success(self.outcome.success, info),
            total_reward=self.outcome.total_reward + float(reward),
            max_reward=max(self.outcome.max_reward, float(reward)),
            terminated=bool(terminated),
            truncated=bool(truncated),
        )

    def render(self) -> np.ndarray:
        """A picture of the scene, uint8 [H, W, 3].

        Raises:
          RuntimeError: the environment gives none.
        """
        frame = self._env.render()
        if not isinstance(frame, np.ndarray) or frame.dtype != np.uint8 or frame.shape[2:] != (3,):
            raise RuntimeError(
                f"env.render() gives {type(frame).__name__}, no picture: make it with render_mode='rgb_array'"
            )
        return frame

    def close(self) -> None:
        """Frees what the environment holds."""
        self._env.close()

    def _as_action(self, actions: np.ndarray) -> np.ndarray:
        space = self._env.action_space
        if space.shape != actions.shape:
            raise ValueError(
                f"the environment takes actions of shape {space.shape}, got {actions.shape}; give `act` a function"
            )
        return actions.astype(space.dtype)


def make(name: str, **options: Any) -> Any:
    """Makes an environment by its registered name; "MODULE:NAME" imports the module that registers it.

    Raises:
      RuntimeError: gymnasium is not installed.
    """
    try:
        import gymnasium  # only here: who has made an environment needs no more
    except ImportError:
        raise RuntimeError(f"environment {name!r} needs gymnasium: pip install gymnasium") from None
    return gymnasium.make(name, **options)


def _success(before: bool | None, info: Mapping[str, Any]) -> bool | None:
    told = [bool(info[key]) for key in SUCCESS_KEYS if key in info]
    return bool(before or any(told)) if told else before


def _pick(paths: Mapping[str, str], observation: Any) -> dict:
    """The observation as nested dicts: each path's value."""
    picked: dict[str, Any] = {}
    for target, source in paths.items():
        value = observation
        for key in filter(None, source.split("/")):
            if not isinstance(value, Mapping) or key not in value:
                there = (
                    f"has: {', '.join(map(str, value))}"
                    if isinstance(value, Mapping)
                    else f"is a {type(value).__name__}"
                )
                raise ValueError(f"observe names {source!r}, and the environment's observation there {there}")
            value = value[key]
        *groups, name = target.split("/")
        inner = picked
        for group in groups:
            inner = inner.setdefault(group, {})
        inner[name] = value
    return picked
