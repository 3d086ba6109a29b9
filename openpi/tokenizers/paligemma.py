"""Prompts for π0 and π0.5: the PaliGemma SentencePiece model, and the text around the prompt."""

import os

import numpy as np

from openpi.tokenizers import fixed_length, prompt_text, sentencepiece_model


class PaligemmaTokenizer:
    """Turns a prompt (and for π0.5 the state) into token ids of fixed length."""

    def __init__(self, model_path: str | os.PathLike, *, max_len: int = 48, vocab_size: int = 257152) -> None:
        """Reads the SentencePiece model.

        Args:
          model_path: a file, or "small"; see `openpi.tokenizers.model_path`.
          max_len: length L of the result.
          vocab_size: how many pieces the model must have.

        Raises:
          FileNotFoundError: there is no such model.
          ValueError: the file is not a SentencePiece model, or has another number of pieces.
        """
        self._processor = sentencepiece_model.load(model_path, vocab_size)
        self._fixed_length = fixed_length.FixedLength(max_len)

    def tokenize(self, prompt: str, state: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Returns token ids and which of them are real.

        Args:
          prompt: the task in words; its case is kept.
          state: normalized float [A], before padding; None leaves it out of the text.

        Returns:
          int64 [L], padded with 0 on the right, and bool [L], False on the padding. A text that is too long loses its tail;
          the first is warned about.
        """
        task = prompt_text.clean(prompt).replace("\n", " ")
        if state is None:
            # The newline marks where the answer begins; it is a piece of its own.
            ids = self._processor.encode(task, add_bos=True) + self._processor.encode("\n")
        else:
            ids = self._processor.encode(f"{prompt_text.task_and_state(task, state)}Action: ", add_bos=True)
        tokens, mask = self._fixed_length.fit((np.array(ids, np.int64), np.ones(len(ids), bool)), prompt=prompt)
        return tokens, mask
