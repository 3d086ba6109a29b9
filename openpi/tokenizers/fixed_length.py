"""Token arrays of fixed length: padded, or cut with a warning."""

import logging
from collections.abc import Sequence

import numpy as np

_LOGGER = logging.getLogger(__name__)


class FixedLength:
    """Brings arrays to `length`. A tokenizer owns one: it warns of the first text that is too long, and of no other."""

    def __init__(self, length: int) -> None:
        self.length = length
        self._warned = False

    def fit(self, arrays: Sequence[np.ndarray], *, prompt: str) -> tuple[np.ndarray, ...]:
        """Returns the arrays [n] as arrays [L] of their dtypes: 0 or False on the right, or the tail cut off.

        Args:
          arrays: all of the same length n.
          prompt: for the warning.
        """
        n = len(arrays[0])
        if n > self.length and not self._warned:
            self._warned = True
            _LOGGER.warning(
                "The text of a sample has %d tokens, more than max_token_len=%d: its tail is cut off, and so will others be, unsaid."
                " Raise config.model.max_token_len. Prompt: %.200r",
                n,
                self.length,
                prompt,
            )
        if n >= self.length:
            return tuple(array[: self.length] for array in arrays)
        return tuple(np.concatenate([array, np.zeros(self.length - n, array.dtype)]) for array in arrays)
