"""The local folder of a checkpoint, however it is named: a path or a URL, a run or a step, ours or in PyTorch's format."""

import os
import pathlib

from openpi.checkpoints import layout
from openpi.checkpoints.assets import asset_store
from openpi.checkpoints.pytorch import read as pytorch_read


def find_step_dir(checkpoint: str | os.PathLike[str]) -> pathlib.Path:
    """The folder that holds a checkpoint's parameters and `assets/`; of a run, its latest complete step.

    Args:
      checkpoint: a path, or a URL that is fetched first (`gs://`, `hf://`, `https://`).

    Raises:
      FileNotFoundError: there is no such folder, or it holds no complete checkpoint.
      OSError: it cannot be fetched.
    """
    path = local(checkpoint)
    file = pytorch_read.find_file(path)
    return file.parent if file and file.name == pytorch_read.FILE else layout.find_step_dir(path)


def local(name: str | os.PathLike[str]) -> pathlib.Path:
    """The absolute path of a file or folder, fetched first if `name` is a URL. It need not exist if it is a path."""
    text = os.fspath(name)
    return asset_store.fetch(text) if "://" in text else pathlib.Path(text).expanduser().absolute()
