"""Gives each request of an episode its own noise, so that its actions depend on no other request that a server answers."""

import zlib
from collections.abc import Sequence

import numpy as np

from openpi.client import base_policy

_KEY = "openpi"  # of an observation: the options of the request, see openpi/policies/request_options.py


class SeededNoise(base_policy.BasePolicy):
    """Another policy, of which each request brings the noise that sampling starts from."""

    def __init__(self, policy: base_policy.BasePolicy, shape: Sequence[int], *, seed: int, task: str, episode: int):
        """Draws noise of `shape` [H, A] that follows from seed, task and episode, and the request's number within it."""
        self._policy = policy
        self._shape = tuple(shape)
        self._rng = np.random.default_rng([seed, zlib.crc32(task.encode()), episode])

    def infer(self, obs: dict) -> dict:
        noise = self._rng.standard_normal(self._shape, np.float32)
        return self._policy.infer({**obs, _KEY: {**obs.get(_KEY, {}), "noise": noise}})

    def reset(self) -> None:
        self._policy.reset()
