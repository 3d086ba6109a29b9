"""Finds the file of a tokenizer model."""

import os
import pathlib

_BUCKET = "gs://big_vision/"


def model_path(name: str | os.PathLike) -> pathlib.Path:
    """Returns the local SentencePiece file that `name` means.

    Args:
      name: "small": the model of 2000 pieces that lies beside this file. `gs://big_vision/...`: the copy of it in the cache,
        `$OPENPI_DATA_HOME` (default ~/.cache/openpi) + `/big_vision/...`. Anything else: a path.

    Raises:
      FileNotFoundError: there is no such file.
    """
    name = os.fspath(name)
    if name == "small":
        return pathlib.Path(__file__).parent / "small.model"
    if name.startswith(_BUCKET):
        home = pathlib.Path(os.environ.get("OPENPI_DATA_HOME") or "~/.cache/openpi").expanduser()
        path = home / "big_vision" / name.removeprefix(_BUCKET)
        how = f"download {name} to that place, or set OPENPI_DATA_HOME to the folder that holds big_vision/"
    else:
        path = pathlib.Path(name).expanduser()
        how = "set config.tokenizer.path to a SentencePiece model, or to 'small' for the one that is shipped"
    if not path.is_file():
        raise FileNotFoundError(f"tokenizer model not found: {path}; {how}")
    return path
