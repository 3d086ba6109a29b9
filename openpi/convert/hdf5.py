"""Raw recordings in HDF5: datasets checked before they are read, and errors that name file and dataset."""

import contextlib
import pathlib
from collections.abc import Iterator

import h5py
import numpy as np

from openpi.convert import episode

_MAX_STEPS = 1_000_000  # of an episode: at 50 Hz more than five hours
_DAMAGE = (
    OSError,
    RuntimeError,
    LookupError,
    TypeError,
    ValueError,
)  # what h5py raises, whatever is asked of a broken file


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
    with reading(file, name):
        found = file.get(name)
    if not isinstance(found, h5py.Dataset):
        there = ", ".join(members(file, name.rpartition("/")[0] or "/")) or "nothing"
        raise episode.BadEpisodeError(
            f"{file.filename}: dataset {name} is missing; beside it there is {there}: check that it is a recording of "
            "this format"
        )
    return found


def members(file: h5py.File, name: str) -> list[str]:
    """What lies in the group at a path, in alphabetical order; nothing if there is no such group.

    Raises:
      BadEpisodeError: it cannot be read.
    """
    with reading(file, name):
        group = file.get(name)
        return sorted(map(str, group)) if isinstance(group, h5py.Group) else []


def numbers(file: h5py.File, name: str, width: int | None = None) -> np.ndarray:
    """A dataset of finite numbers: float32 `[T, width]`, or `[T]` without `width`.

    Raises:
      BadEpisodeError: it is missing, of another shape, cannot be read, or holds NaN or infinities.
    """
    found = dataset(file, name)
    with reading(file, name), np.errstate(over="ignore"):  # what no float32 holds is told below
        shape, dtype = found.shape or (), found.dtype
        if shape[1:] != (() if width is None else (width,)) or dtype.kind not in "fiub" or not _fits(shape):
            expected = "[T]" if width is None else f"[T, {width}]"
            raise episode.BadEpisodeError(
                f"{file.filename}: dataset {name} is {dtype} {list(shape)}, expected numbers {expected}"
            )
        values = found[()].astype(np.float32)
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


@contextlib.contextmanager
def reading(file: h5py.File, name: str) -> Iterator[None]:
    """For the block that reads what is at a path: its errors, in one line.

    Raises:
      BadEpisodeError: h5py met damage, or the block raised one itself.
    """
    try:
        yield
    except episode.BadEpisodeError:
        raise
    except _DAMAGE as error:
        raise episode.BadEpisodeError(f"{file.filename}: {name} cannot be read ({_short(error)})") from error


def _fits(shape: tuple[int, ...]) -> bool:
    return len(shape) > 0 and 0 < shape[0] <= _MAX_STEPS


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
