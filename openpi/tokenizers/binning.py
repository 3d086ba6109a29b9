"""Actions as bins, one token a number: the tokenizer of published baselines. For inference only."""

import logging
import os

import numpy as np

from openpi.tokenizers import action_text

_LOGGER = logging.getLogger(__name__)


class BinningTokenizer:
    """Turns prompt and state into tokens of fixed length, and a model's tokens into actions."""

    def __init__(
        self, model_path: str | os.PathLike, *, max_len: int = 256, vocab_size: int = 257152, n_bins: int = 256
    ) -> None:
        """Reads the SentencePiece model; arguments and errors as those of `PaligemmaTokenizer`. Bin b is b / n_bins · 2 - 1."""
        self._text = action_text.ActionText(model_path, max_len=max_len, vocab_size=vocab_size)
        self._n_bins = n_bins

    def tokenize(self, prompt: str, state: np.ndarray, actions: np.ndarray | None = None) -> action_text.Tokenized:
        """Returns prompt and state as tokens and masks; see `action_text.ActionText.tokenize`.

        Raises:
          NotImplementedError: actions are given.
        """
        if actions is not None:
            raise NotImplementedError("the binning tokenizer is for inference: it does not encode actions")
        return self._text.tokenize(prompt, state)

    def extract_actions(self, tokens: np.ndarray, action_horizon: int, action_dim: int) -> np.ndarray:
        """Returns the first H × A numbers of a model's answer as [H, A]: zeros, with a warning, where it has fewer.

        Args:
          tokens: int [n], anything.
          action_horizon: H.
          action_dim: A.
        """
        bins = self._text.action_ids(tokens)
        size = action_horizon * action_dim
        if bins is None:
            return np.zeros((action_horizon, action_dim), np.float32)
        if len(bins) < size:
            _LOGGER.warning("The model's answer has %d actions in place of %d: taken as zeros", len(bins), size)
            return np.zeros((action_horizon, action_dim), np.float32)
        return np.array(bins[:size]).reshape(action_horizon, action_dim) / self._n_bins * 2 - 1
