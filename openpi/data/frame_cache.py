"""A dataset's images decoded once into files that are mapped into memory: a row then costs microseconds.

One .npy file a camera, uint8 `[N, H, W, 3]`. Meant for data that fits the disk many times over: a frame of 224x224
takes 147 KiB. The cache is keyed by the dataset's files (names, sizes, times), so a changed dataset is decoded anew.
"""

import hashlib
import math
import pathlib
import shutil
import sys
import uuid
from collections.abc import Mapping

import numpy as np
import tqdm

from openpi.data.lerobot import reader

_VERSION = 1  # of the cache's own format
_BATCH = 64  # frames between two updates of the progress bar


class CachedFrames:
    """Reads images from the cache's files (a `frames.FrameSource`). What it returns is read-only."""

    def __init__(self, files: Mapping[str, pathlib.Path]) -> None:
        """Args:
        files: camera -> its .npy file.
        """
        self._files = dict(files)
        self._arrays = {key: np.load(path, mmap_mode="r", allow_pickle=False) for key, path in files.items()}

    def __reduce__(self) -> tuple[type, tuple[Mapping[str, pathlib.Path]]]:
        return CachedFrames, (self._files,)

    def frames(self, key: str, rows: np.ndarray) -> np.ndarray:
        array = self._arrays[key]
        if len(rows) == 1:  # a view: copied only when the batch is made
            return array[rows[0] : rows[0] + 1]
        return array[rows]


def cached(
    dataset: reader.LeRobotDataset, directory: str | pathlib.Path, *, max_bytes: int = 32 << 30
) -> reader.LeRobotDataset:
    """The same dataset, its images read from the cache below `directory`, which is built if it is not there yet.

    Building shows a progress bar on a terminal. Two processes may build at once; Ctrl-C leaves no half-built file.
    Caches of earlier contents of the same dataset are removed.

    Args:
      dataset: every camera that it delivers is cached.
      directory: for the caches of all datasets.
      max_bytes: refuse a cache larger than this.

    Raises:
      ValueError: the cache would be larger than `max_bytes`, or than the disk has room for.
    """
    if not dataset.image_keys:
        return dataset
    place = hashlib.sha256(str(dataset.root.resolve()).encode()).hexdigest()[:12]
    folder = pathlib.Path(directory) / f"{dataset.root.name}-{place}-{_fingerprint(dataset.root)[:16]}"
    files = {key: folder / f"{key}.npy" for key in dataset.image_keys}
    missing = [key for key, path in files.items() if not path.is_file()]
    _check_room(dataset, missing, folder, max_bytes)
    for key in missing:
        _build(dataset, key, files[key])
    for stale in folder.parent.glob(f"{dataset.root.name}-{place}-*"):
        if stale != folder:
            shutil.rmtree(stale, ignore_errors=True)
    return dataset.with_frames(CachedFrames(files))


def _shape(dataset: reader.LeRobotDataset, key: str) -> tuple[int, int, int, int]:
    return len(dataset), *dataset.features[key].image_size, 3


def _check_room(dataset: reader.LeRobotDataset, missing: list[str], folder: pathlib.Path, max_bytes: int) -> None:
    total = sum(math.prod(_shape(dataset, key)) for key in dataset.image_keys)
    if total > max_bytes:
        raise ValueError(
            f"the decoded frames of {dataset.root} ({len(dataset)} frames of {len(dataset.image_keys)} cameras) need "
            f"{total / 2**30:.1f} GiB, more than the {max_bytes / 2**30:.1f} GiB allowed: set "
            "config.data.cache_frames=False to decode while training, or record smaller images"
        )
    if not missing:
        return
    folder.mkdir(parents=True, exist_ok=True)
    needed, free = sum(math.prod(_shape(dataset, key)) for key in missing), shutil.disk_usage(folder).free
    if needed > free:
        raise ValueError(
            f"the decoded frames of {dataset.root} need {needed / 2**30:.1f} GiB, and {folder.parent} has room for "
            f"{free / 2**30:.1f} GiB: free some, or set config.data.cache_frames=False"
        )


def _build(dataset: reader.LeRobotDataset, key: str, path: pathlib.Path) -> None:
    partial = path.with_name(f".{path.name}.partial-{uuid.uuid4().hex[:8]}")
    try:
        out = np.lib.format.open_memmap(partial, mode="w+", dtype=np.uint8, shape=_shape(dataset, key))
        description = f"decoding {key} ({out.nbytes / 2**20:.0f} MiB, once)"
        with tqdm.tqdm(total=len(out), desc=description, unit="frame", disable=not sys.stderr.isatty()) as progress:
            for start in range(0, len(out), _BATCH):
                rows = np.arange(start, min(start + _BATCH, len(out)))
                out[start : start + len(rows)] = dataset.frames(key, rows)
                progress.update(len(rows))
        out.flush()
        del out
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _fingerprint(root: pathlib.Path) -> str:
    """Changes with the name, size or time of any file of the dataset."""
    digest = hashlib.sha256(f"frame cache {_VERSION}\n".encode())
    for path in sorted(path for folder in ("meta", "data", "videos") for path in (root / folder).rglob("*")):
        if path.is_file():
            stat = path.stat()
            digest.update(f"{path.relative_to(root)}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()
