"""Raw recordings in HDF5: datasets checked before they are read, and errors that name file and dataset."""

import contextlib
import pathlib
from collections.abc import Iterator

import h5py
import numpy as np

from openpi.convert import episode

_MAX_STEPS = 1_000_000  # of an episode: at 50 Hz more than five hours


@contextlib.contextmanager
def opened(path: pathlib.Path) -> Iterator[h5py.File]:
    """The file, open for reading.

    Raises:
      BadEpisodeError: it is missing, cut off or no HDF5.
    """
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise episode.BadEpisodeError(
            f"{path}: no readable HDF5 file ({_short(error)}): copy or record it again"
        ) from error
    with file:
        yield file


def dataset(file: h5py.File, name: str) -> h5py.Dataset:
    """The dataset at a path.

    Raises:
      BadEpisodeError: there is none.
    """
    try:
        found = file.get(name)
    except (OSError, RuntimeError, KeyError) as error:
        raise unreadable(file, name, error) from error
    if not isinstance(found, h5py.Dataset):
        there = ", ".join(file.get(name.rpartition("/")[0] or "/", {})) or "nothing"
        raise episode.BadEpisodeError(
            f"{file.filename}: dataset {name} is missing; beside it there is {there}: check that it is a recording of "
            "this format"
        )
    return found


def numbers(file: h5py.File, name: str, width: int | None = None) -> np.ndarray:
    """A dataset of finite numbers: float32 `[T, width]`, or `[T]` without `width`.

    Raises:
      BadEpisodeError: it is missing, of another shape, cannot be read, or holds NaN or infinities.
    """
    found = dataset(file, name)
    shape = (found.shape or ())[1:] if found.ndim else None
    if (
        shape != (() if width is None else (width,))
        or not 0 < found.shape[0] <= _MAX_STEPS
        or found.dtype.kind not in "fiub"
    ):
        expected = "[T]" if width is None else f"[T, {width}]"
        raise episode.BadEpisodeError(
            f"{file.filename}: dataset {name} is {found.dtype} {list(found.shape or ())}, expected numbers {expected}"
        )
    try:
        values = found[()].astype(np.float32)
    except OSError as error:
        raise unreadable(file, name, error) from error
    bad = np.flatnonzero(~np.isfinite(values).reshape(len(values), -1).all(axis=1))
    if len(bad):
        raise episode.BadEpisodeError(
            f"{file.filename}: dataset {name} is not finite at step {bad[0]}"
            + (f" and {len(bad) - 1} more" if len(bad) > 1 else "")
        )
    return values


def check_lengths(file: h5py.File, lengths: dict[str, int]) -> int:
    """The number of steps that all datasets have.

    Raises:
      BadEpisodeError: they have different ones.
    """
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise episode.BadEpisodeError(f"{file.filename}: its datasets differ in their number of steps: {said}")
    return next(iter(lengths.values()))


def unreadable(file: h5py.File, name: str, error: Exception) -> episode.BadEpisodeError:
    """The error of a read as one line."""
    return episode.BadEpisodeError(f"{file.filename}: dataset {name} cannot be read ({_short(error)})")


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
