"""The action codec that the golden cases were made with, in the place of a learned one. For tests."""

from collections.abc import Sequence

import numpy as np


class StandInCodec:
    """One id a number: 0…255 over [-1, 1]."""

    def encode(self, actions: np.ndarray) -> list[list[int]]:
        """Returns the ids of each chunk of float [B, H, D]."""
        ids = np.floor((np.clip(actions, -1, 1) + 1) / 2 * 255 + 0.5).astype(int)
        return ids.reshape(len(ids), -1).tolist()

    def decode(self, tokens: Sequence[Sequence[int]], *, time_horizon: int, action_dim: int) -> np.ndarray:
        """Returns float64 [B, H, D] of the first H × D ids; 128 stands for those that are missing."""
        size = time_horizon * action_dim
        full = np.array([[*ids[:size], *[128] * (size - len(ids))] for ids in tokens])
        return (full / 255 * 2 - 1).reshape(-1, time_horizon, action_dim)
