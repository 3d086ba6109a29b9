"""Plays episodes of simulated tasks with a policy, each the same whatever was played before."""

import dataclasses
import math
import pathlib
import time
from collections.abc import Sequence

from openpi.client import action_chunk_broker, base_policy
from openpi.evaluate import baselines, episode, film, seeded_noise
from openpi.runtime import environment as environment_lib
from openpi.runtime import policy_agent, runtime, subscriber
from openpi.sims.aloha import environment as simulator_lib
from openpi.sims.aloha import tasks


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """How a policy's episodes are played.

    Attributes:
      policy: its name in tables.
      seed: chooses the sequences of starts, and of noises.
      split: of the starts.
      replan_steps: actions of a chunk that are played before the next is asked for; None: the policy gives single actions.
      noise_shape: [H, A] of the noise that each request brings; None: the policy draws its own, or none.
      black_images: the policy sees nothing.
      render: whether observations have images.
      films: folder for a film of each of the first `num_films` episodes of a task; None: no films.
      num_films: how many.
    """

    policy: str
    seed: int
    split: str
    replan_steps: int | None
    noise_shape: tuple[int, int] | None = None
    black_images: bool = False
    render: bool = True
    films: str | None = None
    num_films: int = 0


class Player:
    """Plays with one policy; keeps the simulators that it needed. Leaving the `with` block closes them.

    A simulator's OpenGL belongs to the thread that plays first.
    """

    def __init__(self, plan: Plan, policy: base_policy.BasePolicy) -> None:
        self._plan = plan
        self._policy = baselines.BlackImagePolicy(policy) if plan.black_images else policy
        self._tasks: dict[str, simulator_lib.AlohaEnvironment] = {}

    def play(self, task: str, number: int, watchers: Sequence[subscriber.Subscriber] = ()) -> episode.Episode:
        """Plays an episode of a task, and returns what came of it.

        An episode whose physics breaks is a failure; an error of the policy is raised.

        Args:
          task: its name.
          number: of the episode.
          watchers: told of every step, besides.
        """
        if task not in self._tasks:
            self._tasks[task] = tasks.make(task, seed=self._plan.seed, split=self._plan.split, render=self._plan.render)
        simulator = self._tasks[task]
        reel = film.Film(1 if self._plan.films and number < self._plan.num_films else 0)
        judge = _Judge(simulator)
        started = time.perf_counter()
        runtime.Runtime(
            _Numbered(simulator, number),
            policy_agent.PolicyAgent(self._actor(task, number)),
            [judge, reel, *watchers],
        ).run()
        done = episode.Episode(
            policy=self._plan.policy,
            task=task,
            episode=number,
            success=judge.success,
            steps=judge.steps,
            seconds=time.perf_counter() - started,
            complete=math.isfinite(judge.distance),
            distance=judge.distance if math.isfinite(judge.distance) else None,
        )
        if reel.episodes:
            path = film.path(pathlib.Path(self._plan.films or ""), task, number)
            film.write_mp4(path, reel.episodes, [done.success], fps=simulator_lib.POLICY_HZ)
        return done

    def close(self) -> None:
        """Closes the simulators."""
        while self._tasks:
            self._tasks.popitem()[1].close()

    def __enter__(self) -> "Player":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _actor(self, task: str, number: int) -> base_policy.BasePolicy:
        """The policy, one action at a time."""
        policy, plan = self._policy, self._plan
        if plan.noise_shape is not None:
            policy = seeded_noise.SeededNoise(policy, plan.noise_shape, seed=plan.seed, task=task, episode=number)
        return policy if plan.replan_steps is None else action_chunk_broker.ActionChunkBroker(policy, plan.replan_steps)


class _Numbered(environment_lib.Environment):
    """A simulator at one of its episodes."""

    def __init__(self, simulator: simulator_lib.AlohaEnvironment, number: int) -> None:
        self._simulator, self._number = simulator, number

    def reset(self) -> None:
        self._simulator.reset(episode=self._number)

    def is_episode_complete(self) -> bool:
        return self._simulator.is_episode_complete()

    def get_observation(self) -> dict:
        return self._simulator.get_observation()

    def apply_action(self, action: dict) -> None:
        self._simulator.apply_action(action)


class _Judge(subscriber.Subscriber):
    """Notes what the simulator says at the end: the runtime resets it before it returns."""

    def __init__(self, simulator: simulator_lib.AlohaEnvironment) -> None:
        self.steps, self.success, self.distance = 0, False, math.inf
        self._simulator = simulator

    def on_episode_start(self) -> None:
        pass

    def on_step(self, observation: dict, action: dict) -> None:
        self.steps += 1

    def on_episode_end(self) -> None:
        self.success, self.distance = self._simulator.success(), self._simulator.distance()
