"""What a conversion reads: a checkpoint of ours, or PyTorch weights, one parameter after the other."""

import json
import math
import pathlib
import sys
from collections.abc import Iterator, Mapping
from typing import Self

import numpy as np
import tqdm

from openpi.checkpoints import array_reader, layout, locate, restore, stored_tree
from openpi.checkpoints.pytorch import read, tensor_file

CONFIG_FILE = "config.json"


class Checkpoint:
    """A checkpoint that training wrote, or a published one. Use it as a context manager.

    Attributes:
      folder: where assets and configurations lie.
      leaves: path -> shape and dtype of every parameter.
    """

    def __init__(self, path: str | pathlib.Path) -> None:
        """
        Raises:
          FileNotFoundError: there is no checkpoint at `path`.
          ValueError: it is damaged.
        """
        params_dir = layout.find_params_dir(path)
        self._stored = restore.parameters(params_dir)
        self.folder = params_dir.parent
        self.leaves = {path: tensor_file.Spec(array.shape, array.dtype) for path, array in self._stored.items()}

    def arrays(self) -> Iterator[tuple[str, np.ndarray]]:
        """Every path and its parameter, with a progress bar on a terminal. Let go of one before asking for the next.

        Raises:
          ValueError: the checkpoint is damaged.
        """
        stored = list(self._stored.values())
        dtypes = [array.dtype for array in stored]
        try:
            reader = array_reader.read(stored, dtypes, title="convert")
            for path in self._stored:
                yield path, next(reader)
        except stored_tree.DAMAGE as error:
            raise stored_tree.damaged(self.folder, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass


class Pytorch:
    """A safetensors file; the same attributes, also a context manager."""

    def __init__(self, file: pathlib.Path) -> None:
        """
        Raises:
          ValueError: it is damaged, or no pi0 or pi0.5.
        """
        self._weights = read.Weights(file)
        self.folder = file.parent
        self.leaves = {
            path: tensor_file.Spec(shape, self._weights.dtypes[path]) for path, shape in self._weights.shapes.items()
        }

    def arrays(self) -> Iterator[tuple[str, np.ndarray]]:
        """As of a checkpoint."""
        with progress_bar(self.leaves) as bar:
            for path, leaf in self.leaves.items():
                yield path, self._weights.read(path)
                bar.update(nbytes(leaf))

    def read(self, path: str, dtype: np.dtype) -> np.ndarray:
        """One parameter, cast to `dtype`."""
        return self._weights.read(path, dtype)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._weights.__exit__(*error)


def open_source(path: str | pathlib.Path) -> Checkpoint | Pytorch:
    """The checkpoint or the PyTorch weights at `path`, or at a URL, which is fetched first; errors as of either."""
    path = locate.local(path)
    file = read.find_file(path)
    return Checkpoint(path) if file is None else Pytorch(file)


def action_horizon(folder: pathlib.Path) -> int:
    """Actions per chunk as a configuration beside the weights says: ours, the port's or LeRobot's.

    Raises:
      ValueError: there is none, or it cannot be read.
    """
    for file in (layout.config_file(folder), folder / CONFIG_FILE):
        if not file.is_file():
            continue
        try:
            said = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{file} is not JSON ({error}); mend it or give --action_horizon") from error
        if not isinstance(said, dict):
            continue
        model = said.get("model")
        fields = said | (model if isinstance(model, dict) else {})
        horizon = fields.get("action_horizon", fields.get("chunk_size"))
        if isinstance(horizon, int) and horizon > 0:
            return horizon
    raise ValueError(
        f"nothing beside the weights in {folder} says how many actions a chunk has; "
        "give it, e.g. --action_horizon=50 (the configuration's model.action_horizon)"
    )


def progress_bar(leaves: Mapping[str, tensor_file.Spec]) -> tqdm.tqdm:
    """Counts the bytes of parameters, on a terminal."""
    total = sum(nbytes(leaf) for leaf in leaves.values())
    return tqdm.tqdm(
        total=total, desc="convert", unit="B", unit_scale=True, unit_divisor=1024, disable=not sys.stderr.isatty()
    )


def nbytes(leaf: tensor_file.Spec) -> int:
    return math.prod(leaf.shape) * leaf.dtype.itemsize
