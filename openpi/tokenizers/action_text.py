"""Actions as text: what FAST, binning and FSQ share. They differ in what an action id means.

`Task: TASK, State: BINS;` newline, `Action: `, the action ids, `|`. Action id a is the piece V - 1 - 128 - a of the
vocabulary, from the last location piece (`<loc1023>`) downwards: the 128 segmentation pieces behind are skipped.
"""

import logging
import os
from collections.abc import Sequence

import numpy as np

from openpi.tokenizers import fixed_length, prompt_text, sentencepiece_model

_LOGGER = logging.getLogger(__name__)

_SKIPPED = 128
_MARKER, _END = "Action: ", "|"

# tokens int64, token mask bool, autoregression mask int64 (1: sees only what is before it), loss mask bool; each [L]
Tokenized = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


class ActionText:
    """Writes the text of a sample, and finds the actions in a text that a model wrote."""

    def __init__(self, model_path: str | os.PathLike, *, max_len: int, vocab_size: int) -> None:
        """Reads the SentencePiece model; arguments and errors as those of `PaligemmaTokenizer`."""
        self._processor = sentencepiece_model.load(model_path, vocab_size)
        self._fixed_length = fixed_length.FixedLength(max_len)
        self._vocab_size = vocab_size

    def tokenize(self, prompt: str, state: np.ndarray, action_ids: Sequence[int] | None = None) -> Tokenized:
        """Returns the sample as tokens.

        Args:
          prompt: the task in words; written in lower case.
          state: normalized float [A], before padding.
          action_ids: the actions; None ends the text where the model is to go on.

        Returns:
          Tokens and masks, padded with 0 and False on the right. The answer, from `Action: ` on, is what the model is
          trained on; each of its tokens sees only what is before it. A text that is too long loses its tail; the first is
          warned about.

        Raises:
          ValueError: an action id has no piece in the vocabulary, or the prompt is not valid Unicode.
        """
        text = prompt_text.task_and_state(prompt_text.clean(prompt.lower()), state)
        prefix, answer = self._processor.encode(text, add_bos=True), []
        if action_ids is not None:
            answer = [*self._processor.encode(_MARKER), *self._pieces(action_ids)]
            answer += self._processor.encode(_END, add_eos=True)
        tokens = np.array(prefix + answer, np.int64)
        in_answer = np.arange(len(tokens)) >= len(prefix)
        arrays = (tokens, np.ones(len(tokens), bool), in_answer.astype(np.int64), in_answer)
        tokens, mask, ar_mask, loss_mask = self._fixed_length.fit(arrays, prompt=prompt)
        return tokens, mask, ar_mask, loss_mask

    def action_ids(self, tokens: np.ndarray) -> list[int] | None:
        """Returns the action ids between `Action: ` and `|` in a model's answer; None, with a warning, if it has none.

        The text between is encoded anew (published behaviour): location pieces come back as they are, ordinary pieces might
        not, and ids may then lie outside of what the actions use. Whoever decodes them checks that.

        Args:
          tokens: int [n], anything.
        """
        tokens = np.asarray(tokens).reshape(-1)
        wrong = tokens[(tokens < 0) | (tokens >= self._vocab_size)]
        if wrong.size:
            _LOGGER.warning(
                "The model's answer has token %d, outside of 0…%d: no actions", wrong[0], self._vocab_size - 1
            )
            return None
        text = self._processor.decode(tokens.tolist())
        if _MARKER not in text:
            _LOGGER.warning("The model's answer has no %r: no actions. It is %.200r", _MARKER, text)
            return None
        answer = text.partition(_MARKER)[2].partition(_END)[0].strip()
        return [self._vocab_size - 1 - _SKIPPED - piece for piece in self._processor.encode(answer)]

    def _pieces(self, action_ids: Sequence[int]) -> list[int]:
        pieces = [self._vocab_size - 1 - _SKIPPED - int(action_id) for action_id in action_ids]
        for piece in pieces:
            if not 0 <= piece < self._vocab_size:
                raise ValueError(
                    f"action id {self._vocab_size - 1 - _SKIPPED - piece} has no piece in a vocabulary of "
                    f"{self._vocab_size}: config.tokenizer.vocab_size is too small for this action codec"
                )
        return pieces
