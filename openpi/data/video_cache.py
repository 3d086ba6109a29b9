"""A dataset's images encoded anew at the model's size, single frames quick to reach: for data too large for `frame_cache`.

A folder of h264 files a camera, some thousand frames each, a keyframe every second frame. Lossy: on average a pixel
differs by one to four levels (of 255) from what the recorded video would give where pictures are smooth, by 6 in pictures
of 28 pixels that are padded, by 11 in noise: most at edges of colour, which has half the pixels in video. Models that need
fine texture or tiny images want `frame_cache`.
"""

import logging
import os
import pathlib
import shutil
from collections.abc import Mapping
from typing import Any

import numpy as np

from openpi.data import cache_folder, row_blocks, stored_size
from openpi.data.lerobot import decoder, reader, video

_LOGGER = logging.getLogger("openpi")
_RATE = 30  # of the files; rows are found by their number
_QUALITY = 10  # crf; the recorded videos' default is 18
_BLOCK = (64, 8192)  # frames a file, at least and at the most
_MAX_OPEN = 256  # files a thread keeps open
_BYTES_PER_PIXEL = 0.5  # at most, of camera pictures at this quality: what the disk should have room for


class CachedVideo:
    """Reads images from the cache's files (a `frames.FrameSource`)."""

    def __init__(self, folders: Mapping[str, pathlib.Path], sizes: Mapping[str, tuple[int, int]]) -> None:
        """Args:
        folders: camera -> its folder, of files named by their rows: <first>-<the one behind the last>.mp4.
        sizes: camera -> (height, width) of its images.
        """
        self._folders, self._sizes = dict(folders), dict(sizes)
        self._holds = [cache_folder.Hold(folder) for folder in {folder.parent for folder in folders.values()}]
        self._files = {key: sorted(folder.glob("*.mp4")) for key, folder in folders.items()}
        self._starts = {key: np.array([_rows(path)[0] for path in files]) for key, files in self._files.items()}
        self._decoder = decoder.Decoder(_MAX_OPEN)

    def __reduce__(self) -> tuple[Any, ...]:
        return CachedVideo, (self._folders, self._sizes)

    def frames(self, key: str, rows: np.ndarray) -> np.ndarray:
        out = np.empty((len(rows), *self._sizes[key], 3), np.uint8)
        for place in np.argsort(rows, kind="stable"):
            number = int(np.searchsorted(self._starts[key], rows[place], side="right")) - 1
            time = float(rows[place] - self._starts[key][number]) / _RATE
            try:
                self._decoder.frame(self._files[key][number], time, decoder.TOLERANCE_S, out[place])
            except (ValueError, FileNotFoundError) as error:
                folder = self._folders[key]
                raise ValueError(
                    f"the cache in {folder} is damaged ({error}): remove that folder, it is made anew"
                ) from error
        return out


def cached(dataset: reader.LeRobotDataset, directory: str | pathlib.Path, *, image_size: int) -> reader.LeRobotDataset:
    """The same dataset, its images read from the cache below `directory`, which is built as that of `frame_cache` is.

    Raises:
      ValueError: an image cannot be read, or is of an odd size that stays so.
      OSError: the disk has no room for it.
    """
    if not dataset.image_keys:
        return dataset
    folder = cache_folder.CacheFolder(dataset, pathlib.Path(directory))
    sizes = {
        key: stored_size.choose(*dataset.features[key].image_size, image_size, even=True) for key in dataset.image_keys
    }
    folders = {key: folder.path / _folder_name(key, size) for key, size in sizes.items()}
    with cache_folder.Hold(folder.path):
        if not all(_is_whole(place, len(dataset)) for place in folders.values()):
            with folder.locked():
                missing = {key: size for key, size in sizes.items() if not _is_whole(folders[key], len(dataset))}
                _build_all(dataset, missing, folder)
                folder.remove_stale()
        shapes = {key: (size.height, size.width) for key, size in sizes.items()}
        return dataset.with_frames(CachedVideo(folders, shapes))


def _build_all(
    dataset: reader.LeRobotDataset, sizes: Mapping[str, stored_size.StoredSize], folder: cache_folder.CacheFolder
) -> None:
    most = len(dataset) * sum(int(size.height * size.width * _BYTES_PER_PIXEL) for size in sizes.values())
    what = f"caching the images of {dataset.root} as video"
    if sizes:
        folder.check_free(most, what)
        _LOGGER.info(
            "%s, once: %d frames of %d cameras, %.2f GiB at the most in %s",
            what,
            len(dataset),
            len(sizes),
            most / 2**30,
            folder.path,
        )
    for key, size in sizes.items():
        try:
            with folder.writing(_folder_name(key, size)) as partial:
                shutil.rmtree(folder.path / _folder_name(key, size), ignore_errors=True)  # a damaged one
                partial.mkdir()
                _build(dataset, key, partial, size)
        except OSError as error:
            if error.errno is None:  # not of the disk, but of a video
                raise
            raise OSError(
                f"{what} failed in {folder.path}: {error.strerror}; nothing is left of {key!r}: free room, or set "
                "config.data.cache='none'"
            ) from error


def _build(dataset: reader.LeRobotDataset, key: str, folder: pathlib.Path, size: stored_size.StoredSize) -> None:
    encoding = video.Encoding(_RATE, size.height, size.width, crf=_QUALITY)

    def work(start: int, stop: int, progress: row_blocks.Progress) -> None:
        encoder = video.EpisodeEncoder(encoding)
        for rows in progress.steps(start, stop):
            for frame in dataset.frames(key, rows):
                encoder.add(size.store(frame))
        file = video.VideoFile(folder / f"{start:012d}-{stop:012d}.mp4", encoding)
        try:
            file.append(encoder.finish())
        finally:
            file.close()

    block = int(np.clip(len(dataset) // (4 * len(os.sched_getaffinity(0))), *_BLOCK))
    row_blocks.run(len(dataset), block, work, f"encoding {key} at {size.name}, once")


def _rows(path: pathlib.Path) -> tuple[int, int]:
    """The rows of a file: the first, and the one behind the last."""
    start, stop = path.stem.split("-")
    return int(start), int(stop)


def _is_whole(folder: pathlib.Path, num_rows: int) -> bool:
    end = 0
    for path in sorted(folder.glob("*.mp4")):
        start, stop = _rows(path)
        if start != end or not path.stat().st_size:
            return False
        end = stop
    return end == num_rows


def _folder_name(key: str, size: stored_size.StoredSize) -> str:
    return f"{key}.{size.name}.h264"
