"""Loads a SentencePiece model, checked."""

import os

import sentencepiece

from openpi.tokenizers import model_path as model_path_lib

_MAX_BYTES = 64 << 20  # PaliGemma's, the largest in use, has 4 MiB


def load(model_path: str | os.PathLike, vocab_size: int) -> sentencepiece.SentencePieceProcessor:
    """Reads a SentencePiece model of `vocab_size` pieces. It can be pickled.

    Args:
      model_path: a file, or "small"; see `openpi.tokenizers.model_path`.
      vocab_size: how many pieces it must have: the ids of actions are counted from the end.

    Raises:
      FileNotFoundError: there is no such model.
      ValueError: the file is not a SentencePiece model, or has another number of pieces.
    """
    path = model_path_lib.model_path(model_path)
    size = path.stat().st_size
    if size > _MAX_BYTES:
        raise ValueError(f"tokenizer model {path} has {size} bytes, more than any SentencePiece model in use")
    try:
        processor = sentencepiece.SentencePieceProcessor(model_proto=path.read_bytes())
    except RuntimeError:
        raise ValueError(f"tokenizer model {path} is not a SentencePiece model") from None
    if processor.vocab_size() != vocab_size:
        raise ValueError(
            f"tokenizer model {path} has {processor.vocab_size()} pieces, config.tokenizer.vocab_size is {vocab_size}"
        )
    return processor
