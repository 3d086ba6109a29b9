"""Prompts for π0 and π0.5: the PaliGemma SentencePiece model, and the text around the prompt."""

import logging
import os

import numpy as np
import sentencepiece

from openpi.tokenizers import model_path as model_path_lib
from openpi.tokenizers import state_bins

logger = logging.getLogger(__name__)


class PaligemmaTokenizer:
    """Turns a prompt (and for π0.5 the state) into token ids of fixed length."""

    def __init__(self, model_path: str | os.PathLike, *, max_len: int = 48, vocab_size: int = 257152) -> None:
        """Reads the SentencePiece model.

        Args:
          model_path: a file, "small", or a gs:// name; see `openpi.tokenizers.model_path`.
          max_len: length L of the result.
          vocab_size: how many pieces the model must have.

        Raises:
          FileNotFoundError: there is no such model.
          ValueError: the file is not a SentencePiece model, or has another number of pieces.
        """
        path = model_path_lib.model_path(model_path)
        try:
            self._processor = sentencepiece.SentencePieceProcessor(model_proto=path.read_bytes())
        except RuntimeError:
            raise ValueError(f"tokenizer model {path} is not a SentencePiece model") from None
        if self._processor.vocab_size() != vocab_size:
            raise ValueError(
                f"tokenizer model {path} has {self._processor.vocab_size()} pieces, config.tokenizer.vocab_size is {vocab_size}"
            )
        self._max_len = max_len

    def tokenize(self, prompt: str, state: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Returns token ids and which of them are real.

        Args:
          prompt: the task in words; its case is kept.
          state: normalized float [A], before padding; None leaves it out of the text.

        Returns:
          int64 [L], padded with 0 on the right, and bool [L], False on the padding. A text that is too long loses its tail
          and is warned about.
        """
        task = prompt.strip().replace("_", " ").replace("\n", " ")
        if state is None:
            # The newline marks where the answer begins; it is a piece of its own.
            ids = self._processor.encode(task, add_bos=True) + self._processor.encode("\n")
        else:
            numbers = " ".join(map(str, state_bins.discretize(state)))
            ids = self._processor.encode(f"Task: {task}, State: {numbers};\nAction: ", add_bos=True)
        if len(ids) > self._max_len:
            logger.warning(
                "The prompt has %d tokens, more than max_token_len=%d: its tail is cut off. Raise config.model.max_token_len"
                " if this happens often. Prompt: %.200r",
                len(ids),
                self._max_len,
                prompt,
            )
        kept = ids[: self._max_len]
        tokens = np.zeros(self._max_len, np.int64)
        tokens[: len(kept)] = kept
        return tokens, np.arange(self._max_len) < len(kept)
