"""Finds the file of a tokenizer model."""

import os
import pathlib


def model_path(name: str | os.PathLike) -> pathlib.Path:
    """Returns the local SentencePiece file that `name` means.

    Args:
      name: "small": the model of 2000 pieces that lies beside this file. Anything else: a local path.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: the name is that of a file elsewhere (`gs://...`), which must be fetched first.
    """
    name = os.fspath(name)
    if name == "small":
        return pathlib.Path(__file__).parent / "small.model"
    if "://" in name:
        raise ValueError(f"tokenizer model {name} is not a local file: fetch it first and give the path of the copy")
    path = pathlib.Path(name).expanduser()
    if not path.is_file():
        raise FileNotFoundError(
            f"tokenizer model not found: {path}; set config.tokenizer.path to a SentencePiece model, or to 'small' for the"
            " one that is shipped"
        )
    return path
