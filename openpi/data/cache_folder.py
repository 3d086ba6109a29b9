"""The folder of what is derived from a dataset's images: named by its content, written by one process, whole or not at all."""

import contextlib
import hashlib
import logging
import pathlib
import shutil
import uuid
from collections.abc import Iterator

import filelock

from openpi.data.lerobot import reader

_LOGGER = logging.getLogger("openpi")
_VERSION = 2  # of the formats of caches
_GIB = 1 << 30


class CacheFolder:
    """`path` is the folder, which may not exist yet. Its name follows from the files of the dataset: a changed one has another."""

    def __init__(self, dataset: reader.LeRobotDataset, directory: pathlib.Path) -> None:
        """Args:
        dataset: whose images.
        directory: of the caches of all datasets.
        """
        place = hashlib.sha256(str(dataset.root.resolve()).encode()).hexdigest()[:12]
        self._directory, self._family = directory, f"{dataset.root.name}-{place}"
        self.path = directory / f"{self._family}-{_fingerprint(dataset)[:16]}"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Holds back other processes that build for this dataset. What a killed one left half-written is removed."""
        self.path.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(self._directory / f".{self._family}.lock")
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout:
            _LOGGER.info("another process is caching the images of this dataset: waiting for it")
            lock.acquire()
        try:
            for half in self._directory.glob(f"{self._family}-*/.*.partial-*"):
                _remove(half)
            yield
        finally:
            lock.release()

    @contextlib.contextmanager
    def writing(self, name: str) -> Iterator[pathlib.Path]:
        """A path to write to: afterwards it is `path / name`, or, after an exception, gone."""
        partial = self.path / f".{name}.partial-{uuid.uuid4().hex[:8]}"
        try:
            yield partial
            partial.replace(self.path / name)
        finally:
            _remove(partial)

    def check_free(self, num_bytes: int, what: str) -> None:
        """Raises OSError if the disk has less room than `what` needs."""
        self.path.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.path).free
        if num_bytes > free:
            raise OSError(
                f"{what} needs {num_bytes / _GIB:.1f} GiB, and {self._directory} has room for {free / _GIB:.1f} GiB: free some, "
                "set OPENPI_DATA_HOME to another disk, or set config.data.cache='video' or 'none'"
            )

    def remove_stale(self) -> None:
        """Removes what was derived from this dataset when it had other contents."""
        for stale in self._directory.glob(f"{self._family}-*"):
            if stale != self.path:
                _remove(stale)


def _remove(path: pathlib.Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _fingerprint(dataset: reader.LeRobotDataset) -> str:
    """Changes with the name, size or time of any file of the dataset, and with the episodes that are left out."""
    who = type(dataset)
    digest = hashlib.sha256(f"images {_VERSION} {who.__module__} {sorted(dataset.skipped)}\n".encode())
    for path in sorted(path for folder in ("meta", "data", "videos") for path in (dataset.root / folder).rglob("*")):
        if path.is_file():
            stat = path.stat()
            digest.update(f"{path.relative_to(dataset.root)}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()
