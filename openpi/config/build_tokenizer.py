"""config.tokenizer → the tokenizer of the model, its files fetched where they are elsewhere."""

import pathlib

from openpi.checkpoints import fsq_checkpoint, locate
from openpi.config import schema
from openpi.tokenizers import binning, fast, fast_codec_files, fsq, paligemma

ActionTokenizer = fast.FastTokenizer | binning.BinningTokenizer | fsq.FsqTokenizer


def prompt(config: schema.ConfigDict) -> paligemma.PaligemmaTokenizer:
    """The tokenizer of pi0 and pi0.5.

    Raises:
      FileNotFoundError: the SentencePiece file is not there.
      OSError: it cannot be fetched.
      ValueError: it is none, or has another number of pieces than the configuration says.
    """
    return paligemma.PaligemmaTokenizer(
        _sentencepiece(config), max_len=config.model.max_token_len, vocab_size=config.tokenizer.vocab_size
    )


def actions(config: schema.ConfigDict, codec_dir: pathlib.Path | None = None) -> ActionTokenizer:
    """The tokenizer of pi0-FAST.

    Args:
      config: the configuration.
      codec_dir: the folder of the action codec, where a checkpoint holds its own; None takes `config.tokenizer.codec`.

    Raises:
      FileNotFoundError: a file is not there.
      OSError: a file cannot be fetched.
      ValueError: a file is not what it should be.
    """
    settings = config.tokenizer
    path = _sentencepiece(config)
    size = {"max_len": config.model.max_token_len, "vocab_size": settings.vocab_size}
    if settings.actions == "binning":
        return binning.BinningTokenizer(path, **size)
    folder = codec_dir or codec_path(config)
    if settings.actions == "fsq":
        return fsq.FsqTokenizer(path, *fsq_checkpoint.load(folder), **size)
    return fast.FastTokenizer(path, fast_codec_files.load(folder), **size)


def codec_path(config: schema.ConfigDict) -> pathlib.Path:
    """The local folder of `config.tokenizer.codec`, fetched if need be.

    Raises:
      ValueError: it names none.
      OSError: it cannot be fetched.
    """
    if not config.tokenizer.codec:
        raise ValueError(
            "config.tokenizer.codec is empty: the action codec lies in checkpoints that training writes; set it to a folder, "
            "or to hf://physical-intelligence/fast, the published one"
        )
    return locate.local(config.tokenizer.codec)


def _sentencepiece(config: schema.ConfigDict) -> str | pathlib.Path:
    name = config.tokenizer.path
    return name if name == "small" else locate.local(name)
