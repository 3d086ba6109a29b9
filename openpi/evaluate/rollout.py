"""Episodes of the reach task, driven closed-loop by a policy, and what came of each."""

import dataclasses
import math
from collections.abc import Sequence

import tqdm

from openpi.client import base_policy
from openpi.runtime import policy_agent, runtime, subscriber
from openpi.sims.aloha import environment as environment_lib


@dataclasses.dataclass(frozen=True)
class Episode:
    """What came of one episode.

    Attributes:
      index: its number in the environment's sequence: with the seed, it names the start.
      distance: the fingertip's largest distance from its goal over the last half second, metres; infinite if the physics
        broke.
      complete: whether it ran to its end; only then can it be a success.
      steps: policy steps made.
    """

    index: int
    distance: float
    complete: bool
    steps: int

    def success(self, tolerance: float) -> bool:
        """Whether the fingertip stayed within `tolerance` metres of its goal."""
        return self.complete and self.distance <= tolerance


def run(
    name: str,
    policy: base_policy.BasePolicy,
    environment: environment_lib.AlohaEnvironment,
    *,
    num_episodes: int,
    watchers: Sequence[subscriber.Subscriber] = (),
) -> list[Episode]:
    """Runs the environment's next episodes.

    Args:
      name: shown beside the progress bar.
      policy: gives one action at a time (see ActionChunkBroker).
      environment: the task, not yet begun: episodes are numbered from 0.
      num_episodes: how many.
      watchers: told of every step, besides.
    """
    with tqdm.tqdm(total=num_episodes, desc=name, unit="episode", disable=None) as bar:
        judge = _Judge(environment, bar)
        loop = runtime.Runtime(
            environment, policy_agent.PolicyAgent(policy), [judge, *watchers], num_episodes=num_episodes
        )
        loop.run()
    return judge.episodes


class _Judge(subscriber.Subscriber):
    """Notes what came of each episode."""

    def __init__(self, environment: environment_lib.AlohaEnvironment, bar: tqdm.tqdm):
        self.episodes: list[Episode] = []
        self._environment = environment
        self._bar = bar
        self._steps = 0

    def on_episode_start(self) -> None:
        self._steps = 0

    def on_step(self, observation: dict, action: dict) -> None:
        self._steps += 1

    def on_episode_end(self) -> None:
        if not self._environment.is_episode_complete():
            return  # Broken off by an error or Ctrl-C, which goes on its way.
        distance = self._environment.distance()
        self.episodes.append(
            Episode(
                index=len(self.episodes),
                distance=distance,
                complete=math.isfinite(distance) and self._steps >= self._environment.task.episode_steps,
                steps=self._steps,
            )
        )
        successes = sum(episode.success(self._environment.task.tolerance) for episode in self.episodes)
        self._bar.set_postfix_str(f"{successes} of {len(self.episodes)} within 3 cm", refresh=False)
        self._bar.update()
