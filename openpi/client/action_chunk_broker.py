"""Plays action chunks step by step."""

from __future__ import annotations

from typing import Any

import numpy as np

from openpi.client import base_policy


class ActionChunkBroker(base_policy.BasePolicy):
    """Asks another policy for a chunk of actions and hands them out one at a time, until the next chunk is due.

    Observations that come while a chunk is played are not looked at.
    """

    def __init__(self, policy: base_policy.BasePolicy, action_horizon: int) -> None:
        """Plays the first `action_horizon` steps of each chunk of `policy`.

        Raises:
          ValueError: `action_horizon` is less than 1.
        """
        if action_horizon < 1:
            raise ValueError(f"action_horizon must be at least 1, got {action_horizon}")
        self._policy = policy
        self._action_horizon = action_horizon
        self._chunk: dict | None = None
        self._step = 0

    def infer(self, obs: dict) -> dict:
        """Returns the policy's result with each numpy array [H, ...] in it replaced by its row of this step, [...].

        Raises:
          ValueError: an array of a new chunk has fewer than `action_horizon` rows.
        """
        if self._chunk is None:
            chunk = self._policy.infer(obs)
            _check_length("", chunk, self._action_horizon)
            self._chunk, self._step = chunk, 0
        result = _take(self._chunk, self._step)
        self._step += 1
        if self._step >= self._action_horizon:
            self._chunk = None
        return result

    def reset(self) -> None:
        """Resets the policy and drops the rest of the chunk."""
        self._policy.reset()
        self._chunk = None


def _take(tree: Any, step: int) -> Any:
    if isinstance(tree, np.ndarray):
        return tree[step]
    if isinstance(tree, dict):
        return {key: _take(value, step) for key, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return type(tree)(_take(value, step) for value in tree)
    return tree


def _check_length(path: str, tree: Any, action_horizon: int) -> None:
    if isinstance(tree, np.ndarray):
        if tree.ndim == 0 or len(tree) < action_horizon:
            raise ValueError(
                f"cannot play {action_horizon} steps of '{path}', which has shape {tree.shape}; lower action_horizon"
            )
        return
    children = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, (list, tuple)) else ()
    for key, value in children:
        _check_length(f"{path}/{key}" if path else str(key), value, action_horizon)
