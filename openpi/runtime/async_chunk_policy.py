"""Plays action chunks while the next one is computed: inference hides behind the running chunk."""

from __future__ import annotations

import concurrent.futures
import math
from typing import Any

import numpy as np

from openpi.client import base_policy


class _Chunk:
    """Actions [H, A] whose first row answers the observation of `start`, a step of the episode."""

    def __init__(self, result: dict, start: int) -> None:
        self.result, self.start = result, start
        self.actions = np.asarray(result["actions"])
        if self.actions.ndim != 2 or not len(self.actions):
            raise ValueError(f"'actions' of a chunk must be [steps, numbers], got shape {self.actions.shape}")

    def row(self, step: int) -> np.ndarray | None:
        index = step - self.start
        return self.actions[index] if index < len(self.actions) else None


class AsyncChunkPolicy(base_policy.BasePolicy):
    """Asks another policy, on a thread of its own, `replan_steps` after the last time, and plays on meanwhile.

    Each chunk begins at the step of the observation that it answers: rows that have passed when it arrives are skipped. Only
    when a chunk runs out before the next has come does a step wait, which `waited_steps` counts.
    """

    def __init__(
        self,
        policy: base_policy.BasePolicy,
        replan_steps: int,
        *,
        ensemble_decay: float | None = None,
        executor: concurrent.futures.Executor | None = None,
    ) -> None:
        """Plays chunks of `policy`, of which no one else may make use meanwhile.

        Args:
          policy: who is asked; its `actions` are [H, A].
          replan_steps: steps from one request to the next, at least 1; the next is put off until the last has been answered.
          ensemble_decay: None switches to a new chunk when it comes. A number plays the mean of all chunks that reach the
            step, weighted by exp(-ensemble_decay · age rank), the oldest being 0 (temporal ensembling of ACT, Zhao et al.
            2023): above 0 trusts old chunks more, 0 all alike.
          executor: what runs the requests, one at a time; a thread if None. `close` shuts it down.

        Raises:
          ValueError: an argument is out of range.
        """
        if replan_steps < 1:
            raise ValueError(f"replan_steps={replan_steps} must be at least 1")
        if ensemble_decay is not None and not math.isfinite(ensemble_decay):
            raise ValueError(f"ensemble_decay={ensemble_decay} must be a finite number, or None to switch")
        self._policy = policy
        self._replan_steps = replan_steps
        self._ensemble_decay = ensemble_decay
        self._executor = executor or concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="chunk")
        self._pending: concurrent.futures.Future | None = None
        self._chunks: list[_Chunk] = []
        self._step, self._asked = 0, 0
        self.waited_steps = 0

    def infer(self, obs: dict) -> dict:
        """Returns the newest chunk's result, with `actions` [A] of this step.

        Raises:
          Whatever the policy raised; the next call asks it anew.
        """
        step, self._step = self._step, self._step + 1
        self._take(wait=False)
        if self._pending is None and (not self._chunks or step - self._asked >= self._replan_steps):
            self._ask(obs, step)
        while not self._playable(step):
            # A chunk is too short for the time it took: without another it would be too late for ever.
            self.waited_steps += 1
            if self._pending is None:
                self._ask(obs, step)
            self._take(wait=True)
        actions = self._combine(self._playable(step), step)
        return {**self._chunks[-1].result, "actions": actions}

    def reset(self) -> None:
        """Waits for the request under way, drops all chunks, and resets the policy."""
        if self._pending is not None:
            concurrent.futures.wait([self._pending])
        self._pending = None
        self._chunks = []
        self._step, self._asked = 0, 0
        self.waited_steps = 0
        self._policy.reset()

    def close(self) -> None:
        """Waits for the request under way and ends the thread."""
        self._executor.shutdown()

    def _ask(self, obs: dict, step: int) -> None:
        self._asked = step
        # The environment may use its buffers again for the next observation.
        self._pending = self._executor.submit(self._policy.infer, self._request(_copy(obs), step))

    def _take(self, *, wait: bool) -> None:
        """Moves the answer, if there is one, among the chunks."""
        if self._pending is None or not (wait or self._pending.done()):
            return
        pending, self._pending = self._pending, None
        asked, self._asked = self._asked, self._asked - self._replan_steps  # after a failure the next step asks anew
        self._chunks.append(_Chunk(pending.result(), asked))
        self._asked = asked
        self._arrived(self._step - 1 - self._asked + wait)

    def _request(self, obs: dict, step: int) -> dict:
        """What is asked at a step; `obs` is a copy."""
        return obs

    def _arrived(self, delay: int) -> None:
        """A chunk has come, so many steps after it was asked for; one more if the robot had to stand still for it."""

    def _playable(self, step: int) -> list[_Chunk]:
        """The chunks that reach this step, oldest first; the others are dropped."""
        self._chunks = [chunk for chunk in self._chunks if chunk.row(step) is not None]
        return self._chunks

    def _combine(self, chunks: list[_Chunk], step: int) -> np.ndarray:
        if self._ensemble_decay is None:
            return chunks[-1].row(step)
        weights = np.exp(-self._ensemble_decay * np.arange(len(chunks)))
        return np.average([chunk.row(step) for chunk in chunks], axis=0, weights=weights)


def _copy(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: _copy(value) for key, value in tree.items()}
    return tree.copy() if isinstance(tree, np.ndarray) else tree
