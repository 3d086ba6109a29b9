"""Episodes in which a policy's answers come late by control steps: the real ways to play chunks, in a time of their own.

No clock decides anything, so an episode is the same on every machine.
"""

import concurrent.futures
import dataclasses
import functools
from collections.abc import Callable
from typing import Protocol

import numpy as np

from openpi.client import action_chunk_broker, base_policy
from openpi.runtime import async_chunk_policy, real_time_chunk_policy


class Task(Protocol):
    """An environment that says whether its last episode succeeded."""

    def reset(self) -> None: ...
    def is_episode_complete(self) -> bool: ...
    def get_observation(self) -> dict: ...
    def apply_action(self, action: dict) -> None: ...
    def success(self) -> bool: ...
    def close(self) -> None: ...


@dataclasses.dataclass
class Trace:
    """The steps of an episode.

    Attributes:
      actions: [T, A].
      chunks: the number of the newest chunk at each step, from 1.
      held: whether the robot only stood still.
      planned: what the chunk before had planned for the first step of another, if it reaches so far and nothing was held.
    """

    actions: list[np.ndarray] = dataclasses.field(default_factory=list)
    chunks: list[int] = dataclasses.field(default_factory=list)
    held: list[bool] = dataclasses.field(default_factory=list)
    planned: list[np.ndarray | None] = dataclasses.field(default_factory=list)


class World:
    """An environment whose time goes on while an answer is waited for. The first answer of an episode comes at once."""

    def __init__(self, task: Task, delay: int):
        self.task, self.delay = task, delay
        self.trace = Trace()
        self._plans: dict[int, tuple[int, np.ndarray]] = {}  # chunk → the step of its first row, rows

    @property
    def now(self) -> int:
        """Steps made in this episode."""
        return len(self.trace.actions)

    @property
    def due(self) -> int:
        """When an answer that is asked for now will be there."""
        return self.now + (self.delay if self.now else 0)

    def play(self, policy: base_policy.BasePolicy) -> Trace:
        """Plays the environment's next episode by a policy that gives one action at a time, with the `chunk` it is from."""
        self.trace = Trace()
        self._plans = {}
        self.task.reset()
        policy.reset()
        while not self.task.is_episode_complete():
            result = policy.infer(self.task.get_observation())
            self._step(result["actions"], result["chunk"], held=False)
        return self.trace

    def hold_until(self, step: int) -> None:
        """The robot stays where it was last told to be."""
        while self.now < step and not self.task.is_episode_complete():
            self._step(self.trace.actions[-1], self.trace.chunks[-1], held=True)

    def number(self, actions: np.ndarray) -> int:
        """A number for a chunk [H, A] whose first row is for this step."""
        self._plans[len(self._plans) + 1] = (self.now, actions)
        return len(self._plans)

    def _step(self, action: np.ndarray, chunk: int, *, held: bool) -> None:
        if self.task.is_episode_complete():
            return  # while an answer was waited for
        self.task.apply_action({"actions": action})
        self.trace.planned.append(self._planned(chunk))
        self.trace.actions.append(np.array(action))
        self.trace.chunks.append(chunk)
        self.trace.held.append(held)

    def _planned(self, chunk: int) -> np.ndarray | None:
        former = self.trace.chunks[-1] if self.now else chunk
        if former == chunk or self.trace.held[-1]:
            return None
        start, actions = self._plans[former]
        return actions[self.now - start] if self.now - start < len(actions) else None


class _Answer(concurrent.futures.Future):
    """Is there after the delay; whoever waits for it lets the world's time pass."""

    def __init__(self, world: World):
        super().__init__()
        self._world, self._due = world, world.due

    def done(self) -> bool:
        return self._world.now >= self._due

    def result(self, timeout: float | None = None):
        self._world.hold_until(self._due)
        return super().result(timeout)


class _Executor(concurrent.futures.Executor):
    """Computes at once, and answers late."""

    def __init__(self, world: World):
        self._world = world

    def submit(self, function, /, *arguments, **options):
        answer = _Answer(self._world)
        answer.set_result(function(*arguments, **options))
        return answer


class _Numbered(base_policy.BasePolicy):
    """Another policy, whose answers are numbered."""

    def __init__(self, policy: base_policy.BasePolicy, world: World):
        self._policy, self._world = policy, world

    def infer(self, obs: dict) -> dict:
        result = self._policy.infer(obs)
        return {**result, "chunk": self._world.number(result["actions"])}


class _Pausing(base_policy.BasePolicy):
    """Another policy, whom the robot stands still for."""

    def __init__(self, policy: base_policy.BasePolicy, world: World):
        self._policy, self._world = policy, world

    def infer(self, obs: dict) -> dict:
        due, result = self._world.due, self._policy.infer(obs)
        self._world.hold_until(due)
        return result


Way = Callable[[base_policy.BasePolicy, World, int], base_policy.BasePolicy]


def _synchronous(policy, world, replan_steps):
    return action_chunk_broker.ActionChunkBroker(_Numbered(_Pausing(policy, world), world), replan_steps)


def _switching(policy, world, replan_steps):
    return async_chunk_policy.AsyncChunkPolicy(_Numbered(policy, world), replan_steps, executor=_Executor(world))


def _ensembling(policy, world, replan_steps):
    return async_chunk_policy.AsyncChunkPolicy(
        _Numbered(policy, world), replan_steps, ensemble_decay=0.01, executor=_Executor(world)
    )


def _real_time_chunking(policy, world, replan_steps, method="full"):
    return real_time_chunk_policy.RealTimeChunkPolicy(
        _Numbered(policy, world),
        replan_steps,
        first_delay=max(1, world.delay),
        options={"method": method},
        executor=_Executor(world),
    )


WAYS: dict[str, Way] = {
    "synchronous": _synchronous,
    "switching": _switching,
    "ensembling": _ensembling,
    "real-time chunking": _real_time_chunking,
    "real-time, identity": functools.partial(_real_time_chunking, method="identity"),
}
