"""Prompts and actions for π0-FAST."""

import os
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from openpi.tokenizers import action_text


class ActionCodec(Protocol):
    """What turns action chunks into ids and back: a `fast_codec.FastCodec`."""

    def encode(self, actions: np.ndarray) -> list[list[int]]:
        """Returns the ids of each chunk of float [B, H, D]."""

    def decode(self, tokens: Sequence[Sequence[int]], *, time_horizon: int, action_dim: int) -> np.ndarray:
        """Returns float [B, H, D]; zeros where ids make no chunk. Never fails for ids that are wrong."""


class FastTokenizer:
    """Turns prompt, state and actions into tokens of fixed length, and a model's tokens into actions."""

    def __init__(
        self, model_path: str | os.PathLike, codec: ActionCodec, *, max_len: int = 256, vocab_size: int = 257152
    ) -> None:
        """Reads the SentencePiece model; arguments and errors as those of `PaligemmaTokenizer`, and the action codec."""
        self._text = action_text.ActionText(model_path, max_len=max_len, vocab_size=vocab_size)
        self._codec = codec

    def tokenize(self, prompt: str, state: np.ndarray, actions: np.ndarray | None = None) -> action_text.Tokenized:
        """Returns the sample as tokens and masks; see `action_text.ActionText.tokenize`.

        Args:
          prompt: the task in words.
          state: normalized float [A].
          actions: normalized float [H, A]; None leaves them to the model.
        """
        action_ids = None if actions is None else self._codec.encode(np.asarray(actions)[None])[0]
        return self._text.tokenize(prompt, state, action_ids)

    def extract_actions(self, tokens: np.ndarray, action_horizon: int, action_dim: int) -> np.ndarray:
        """Returns the actions [H, A] in a model's answer: zeros, with a warning, where it holds none.

        Args:
          tokens: int [n], anything.
          action_horizon: H.
          action_dim: A.
        """
        action_ids = self._text.action_ids(tokens)
        if action_ids is None:
            return np.zeros((action_horizon, action_dim), np.float32)
        return self._codec.decode([action_ids], time_horizon=action_horizon, action_dim=action_dim)[0]
