"""Samples as tokens for π0-FAST, and the tokens it answers with as actions."""

import dataclasses
from typing import Protocol

import numpy as np

from openpi.transforms import prompt

Tokenized = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


class ActionTokenizer(Protocol):
    """What these transforms need from a tokenizer: FAST, binning or FSQ."""

    def tokenize(self, prompt: str, state: np.ndarray, actions: np.ndarray | None = None) -> Tokenized:
        """Returns tokens int64, mask bool, autoregression mask int64 and loss mask bool, each [L]."""

    def extract_actions(self, tokens: np.ndarray, action_horizon: int, action_dim: int) -> np.ndarray:
        """Returns the actions [H, A] in tokens int [n]; zeros if there are none."""


@dataclasses.dataclass(frozen=True)
class TokenizeFASTInputs:
    """Replaces `prompt` by `tokenized_prompt`, `tokenized_prompt_mask`, `token_ar_mask` and `token_loss_mask`, each [L].

    Attributes:
      tokenizer: turns prompt, (normalized) `state` and, in training, `actions` into tokens.
    """

    tokenizer: ActionTokenizer

    def __call__(self, data: dict) -> dict:
        """Raises ValueError if the prompt or the state is missing."""
        text, rest = prompt.take_prompt(data)
        if "state" not in rest:
            raise ValueError(f"state required in the prompt of π0-FAST, the sample has: {', '.join(sorted(data))}")
        tokens, mask, ar_mask, loss_mask = self.tokenizer.tokenize(text, rest["state"], rest.get("actions"))
        return {
            **rest,
            "tokenized_prompt": tokens,
            "tokenized_prompt_mask": mask,
            "token_ar_mask": ar_mask,
            "token_loss_mask": loss_mask,
        }


@dataclasses.dataclass(frozen=True)
class ExtractFASTActions:
    """Replaces `actions`, the token ids [n] that a model answered with, by the actions [H, A] that they spell.

    Attributes:
      tokenizer: one like that of the inputs.
      action_horizon: H.
      action_dim: A.
    """

    tokenizer: ActionTokenizer
    action_horizon: int
    action_dim: int

    def __call__(self, data: dict) -> dict:
        if "actions" not in data:
            return data
        with np.errstate(invalid="ignore"):  # a number that is none becomes a token that is none
            tokens = np.asarray(data["actions"]).astype(np.int32)
        actions = self.tokenizer.extract_actions(tokens, self.action_horizon, self.action_dim)
        return {**data, "actions": actions}
