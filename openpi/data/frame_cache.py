"""A dataset's images decoded once, at the model's size, into files that are mapped into memory: a row costs microseconds.

One .npy file a camera, uint8 `[N, H, W, 3]`. For a model of 224 pixels an image of 640x480 takes 110 KiB.
"""

import logging
import math
import os
import pathlib
from collections.abc import Mapping

import numpy as np

from openpi.data import cache_folder, row_blocks, stored_size
from openpi.data.lerobot import reader

_LOGGER = logging.getLogger("openpi")
_BLOCK = 1024  # rows: videos whose keyframes are far apart are decoded in runs


class CachedFrames:
    """Reads images from the cache's files (a `frames.FrameSource`). What it returns is read-only."""

    decoded = True

    def __init__(self, files: Mapping[str, pathlib.Path]) -> None:
        """Args:
        files: camera -> its .npy file.
        """
        self._files = dict(files)
        self._holds = [cache_folder.Hold(folder) for folder in {path.parent for path in files.values()}]
        self._arrays = {key: np.load(path, mmap_mode="r", allow_pickle=False) for key, path in files.items()}

    def __reduce__(self) -> tuple[type, tuple[Mapping[str, pathlib.Path]]]:
        return CachedFrames, (self._files,)

    def frames(self, key: str, rows: np.ndarray) -> np.ndarray:
        array = self._arrays[key]
        if len(rows) == 1:  # a view: copied only when the batch is made
            return array[rows[0] : rows[0] + 1]
        return array[rows]


def num_bytes(dataset: reader.LeRobotDataset, image_size: int) -> int:
    """What the cache of all cameras takes on the disk."""
    return sum(math.prod(_shape(dataset, key, image_size)) for key in dataset.image_keys)


def cached(
    dataset: reader.LeRobotDataset, directory: str | pathlib.Path, *, image_size: int = 0
) -> reader.LeRobotDataset:
    """The same dataset, its images read from the cache below `directory`, which is built if it is not there yet.

    Building takes all processors and shows a progress bar on a terminal. Of two processes one builds and the other waits;
    Ctrl-C, a full disk or a bad video leave no half-built file. Caches of earlier contents of the dataset are removed.

    Args:
      dataset: every camera that it delivers is cached.
      directory: for the caches of all datasets.
      image_size: of the model: images are kept as small as they can be for `resize_with_pad` to make the same squares of
        this size of them; 0 keeps them as they are.

    Raises:
      ValueError: an image cannot be read.
      OSError: the disk has no room for it.
    """
    if not dataset.image_keys:
        return dataset
    folder = cache_folder.CacheFolder(dataset, pathlib.Path(directory))
    with cache_folder.Hold(folder.path):
        if missing := _missing(dataset, folder, image_size):
            with folder.locked():
                missing = [key for key in missing if key in _missing(dataset, folder, image_size)]
                _build_all(dataset, missing, folder, image_size)
                folder.remove_stale()
        files = {key: folder.path / _file_name(dataset, key, image_size) for key in dataset.image_keys}
        return dataset.with_frames(CachedFrames(files))


def missing_bytes(dataset: reader.LeRobotDataset, directory: pathlib.Path, image_size: int) -> int:
    """How much of `num_bytes` has still to be written below `directory`, once nobody else is writing it."""
    folder = cache_folder.CacheFolder(dataset, directory)
    if missing := _missing(dataset, folder, image_size):
        with folder.locked():
            missing = _missing(dataset, folder, image_size)
    return sum(math.prod(_shape(dataset, key, image_size)) for key in missing)


def _missing(dataset: reader.LeRobotDataset, folder: cache_folder.CacheFolder, image_size: int) -> list[str]:
    return [
        key
        for key in dataset.image_keys
        if not _is_whole(dataset, key, folder.path / _file_name(dataset, key, image_size), image_size)
    ]


def _build_all(
    dataset: reader.LeRobotDataset, keys: list[str], folder: cache_folder.CacheFolder, image_size: int
) -> None:
    if not keys:
        return
    needed = sum(math.prod(_shape(dataset, key, image_size)) for key in keys)
    what = f"caching the decoded frames of {dataset.root}"
    folder.check_free(needed, what)
    sizes = ", ".join(sorted({_size(dataset, key, image_size).name for key in keys}))
    _LOGGER.info(
        "%s, once: %d frames of %d cameras at %s, %.2f GiB in %s",
        what,
        len(dataset),
        len(keys),
        sizes,
        needed / 2**30,
        folder.path,
    )
    for key in keys:
        try:
            with folder.writing(_file_name(dataset, key, image_size)) as partial:
                _build(dataset, key, partial, image_size)
        except OSError as error:
            if error.errno is None:  # not of the disk, but of a video
                raise
            raise OSError(
                f"{what} failed in {folder.path}: {error.strerror}; nothing is left of {key!r}: free room, or set "
                "config.data.cache='video' or 'none'"
            ) from error


def _build(dataset: reader.LeRobotDataset, key: str, path: pathlib.Path, image_size: int) -> None:
    size, shape = _size(dataset, key, image_size), _shape(dataset, key, image_size)
    frame_bytes = math.prod(shape[1:])
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        file.flush()
        descriptor, begin = file.fileno(), file.tell()
        os.posix_fallocate(descriptor, 0, begin + math.prod(shape))  # a full disk is told now, not hours later

        def work(start: int, stop: int, progress: row_blocks.Progress) -> None:
            for rows in progress.steps(start, stop):
                frames = np.stack([size.store(frame) for frame in dataset.frames(key, rows)])
                _write(descriptor, frames, begin + int(rows[0]) * frame_bytes)

        row_blocks.run(len(dataset), _BLOCK, work, f"decoding {key} ({math.prod(shape) / 2**20:.0f} MiB, once)")


def _write(descriptor: int, frames: np.ndarray, offset: int) -> None:
    left = np.ascontiguousarray(frames).data.cast("B")
    while left:
        written = os.pwrite(descriptor, left, offset)
        left, offset = left[written:], offset + written


def _is_whole(dataset: reader.LeRobotDataset, key: str, path: pathlib.Path, image_size: int) -> bool:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError):  # missing, cut off or of something else
        return False
    return array.shape == _shape(dataset, key, image_size) and array.dtype == np.uint8


def _size(dataset: reader.LeRobotDataset, key: str, image_size: int) -> stored_size.StoredSize:
    return stored_size.choose(*dataset.features[key].image_size, image_size)


def _shape(dataset: reader.LeRobotDataset, key: str, image_size: int) -> tuple[int, int, int, int]:
    size = _size(dataset, key, image_size)
    return len(dataset), size.height, size.width, 3


def _file_name(dataset: reader.LeRobotDataset, key: str, image_size: int) -> str:
    return f"{key}.{_size(dataset, key, image_size).name}.npy"
