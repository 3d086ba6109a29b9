"""What came of episodes: lines for people, JSON that //openpi/evaluate compares and shows."""

from __future__ import annotations

import json
import math
import pathlib
import time
from collections.abc import Mapping
from typing import Any

from openpi.runtime import gym_environment, subscriber


class Scores(subscriber.Subscriber):
    """Notes every episode that ran to its end, and tells it in a line."""

    def __init__(self, environment: gym_environment.GymEnvironment, *, max_episode_steps: int) -> None:
        """Watches `environment`, whose episodes have so many steps at the most."""
        self._environment, self._max_episode_steps = environment, max_episode_steps
        self._begun = 0.0
        self.episodes: list[dict[str, Any]] = []

    def on_episode_start(self) -> None:
        self._begun = time.monotonic()

    def on_step(self, observation: dict, action: dict) -> None:
        return

    def on_episode_end(self) -> None:
        outcome = self._environment.outcome
        if not (outcome.terminated or outcome.truncated or outcome.steps >= self._max_episode_steps):
            return  # broken off
        self.episodes.append(
            {
                "episode": len(self.episodes),
                "success": bool(outcome.success),
                "steps": outcome.steps,
                "seconds": round(time.monotonic() - self._begun, 3),
                "seed": outcome.seed,
                "max_reward": outcome.max_reward if math.isfinite(outcome.max_reward) else None,
            }
        )
        told = self.episodes[-1]
        print(
            f"episode {told['episode']}: {'success' if told['success'] else 'no success'}, greatest reward {told['max_reward']}, "
            f"{told['steps']} steps in {told['seconds']:.1f} s, seed {told['seed']}",
            flush=True,
        )

    def summary(self) -> str:
        """A line: how many episodes succeeded."""
        return f"{sum(each['success'] for each in self.episodes)} of {len(self.episodes)} episodes succeeded"

    def write(self, path: pathlib.Path, *, policy: str, task: str, conditions: Mapping[str, Any]) -> None:
        """Writes all of it, whole or not at all."""
        content = {
            "conditions": dict(conditions),
            "rows": [{"policy": policy, "task": task, "episodes": self.episodes}],
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.partial")
        partial.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        partial.replace(path)
