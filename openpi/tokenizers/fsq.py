"""Actions as tokens of a learned network: the tokenizer of a published baseline. For inference only."""

import logging
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from openpi.tokenizers import action_text, fsq_config, fsq_network

_LOGGER = logging.getLogger(__name__)


class FsqTokenizer:
    """Turns prompt and state into tokens of fixed length, and a model's tokens into actions."""

    def __init__(
        self,
        model_path: str | os.PathLike,
        config: Mapping[str, Any],
        params: Mapping[str, Any],
        *,
        max_len: int = 256,
        vocab_size: int = 257152,
    ) -> None:
        """Reads the SentencePiece model; arguments and errors as those of `PaligemmaTokenizer`, and the network.

        Args:
          config: the settings of the network, as its checkpoint has them; see `fsq_config.FsqConfig`.
          params: its parameters, a nested dict of arrays.

        Raises:
          ValueError: a setting is wrong, or the parameters do not fit the settings.
        """
        self._text = action_text.ActionText(model_path, max_len=max_len, vocab_size=vocab_size)
        self._config = fsq_config.FsqConfig.from_dict(config)
        self._params = fsq_network.check_params(self._config, params)

    def tokenize(self, prompt: str, state: np.ndarray, actions: np.ndarray | None = None) -> action_text.Tokenized:
        """Returns prompt and state as tokens and masks; see `action_text.ActionText.tokenize`.

        Raises:
          NotImplementedError: actions are given.
        """
        if actions is not None:
            raise NotImplementedError("the FSQ tokenizer is for inference: it does not encode actions")
        return self._text.tokenize(prompt, state)

    def extract_actions(self, tokens: np.ndarray, action_horizon: int, action_dim: int) -> np.ndarray:
        """Returns the actions [H, A] in a model's answer: zeros, with a warning, where it holds none.

        Args:
          tokens: int [n], anything.
          action_horizon: H, that of the network.
          action_dim: A, that of the network.
        """
        action_ids = self._text.action_ids(tokens)
        if action_ids is None:
            return np.zeros((action_horizon, action_dim), np.float32)
        try:
            chunk = fsq_network.detokenize(self._config, self._params, np.array([action_ids], np.int64))[0]
            return chunk[: action_horizon * action_dim].reshape(action_horizon, action_dim)
        except ValueError as error:  # a wrong number of tokens, or another shape of chunk
            _LOGGER.warning("The model's answer holds no actions, taken as zeros: %s", error)
            return np.zeros((action_horizon, action_dim))
