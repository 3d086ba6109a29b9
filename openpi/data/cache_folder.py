"""The folder of what is derived from a dataset's images: named by its content, written by one process, whole or not at all."""

import contextlib
import fcntl
import glob
import hashlib
import logging
import os
import pathlib
import shutil
import uuid
import weakref
from collections.abc import Iterator
from typing import Self

import filelock

from openpi.data.lerobot import reader

_LOGGER = logging.getLogger("openpi")
_VERSION = 3  # of the formats of caches
_GIB = 1 << 30


class Hold:
    """Keeps a cache's folder from being removed as stale by others, as long as this object lives or its `with` lasts."""

    def __init__(self, folder: pathlib.Path) -> None:
        """Args:
        folder: a CacheFolder's `path`; it need not exist yet.
        """
        descriptor = _lock_users(folder, fcntl.LOCK_SH)
        self._release = (lambda: None) if descriptor is None else weakref.finalize(self, os.close, descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._release()


class CacheFolder:
    """`path` is the folder, which may not exist yet. Its name follows from the files of the dataset: a changed one has another."""

    def __init__(self, dataset: reader.LeRobotDataset, directory: pathlib.Path) -> None:
        """Args:
        dataset: whose images.
        directory: of the caches of all datasets.
        """
        root = dataset.root.resolve()
        place = hashlib.sha256(str(root).encode()).hexdigest()[:12]
        self._directory, self._family = directory, f"{root.name}-{place}"
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
            for half in self._directory.glob(f"{glob.escape(self._family)}-*/.*.partial-*"):
                _remove(half)
            yield
        finally:
            lock.release()

    @contextlib.contextmanager
    def writing(self, name: str) -> Iterator[pathlib.Path]:
        """A path to write to, a file or a folder of files: afterwards it is `path / name`, or, after an exception, gone."""
        partial = self.path / f".{name}.partial-{uuid.uuid4().hex[:8]}"
        try:
            yield partial
            for file in partial.iterdir() if partial.is_dir() else [partial]:
                _reach_disk(file)
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
        """Removes what was derived from this dataset when it had other contents, and nobody holds any more."""
        for stale in self._directory.glob(f"{glob.escape(self._family)}-*"):
            if stale != self.path:
                with contextlib.suppress(BlockingIOError):  # a run that began before the change is still reading it
                    descriptor = _lock_users(stale, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    _remove(stale)
                    if descriptor is not None:
                        _users_path(stale).unlink(missing_ok=True)
                        os.close(descriptor)


def _users_path(folder: pathlib.Path) -> pathlib.Path:
    return folder.with_name(f".{folder.name}.users.lock")


def _lock_users(folder: pathlib.Path, operation: int) -> int | None:
    """The open lock of a folder; None where there are no locks, or the disk is read-only.

    Raises:
      BlockingIOError: another has it, and `operation` does not wait.
    """
    path = _users_path(folder)
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError:
            return None
        try:
            fcntl.flock(descriptor, operation)
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        except FileNotFoundError:
            pass  # removed in between, like another file of this name: again
        except BlockingIOError:
            os.close(descriptor)
            raise
        except OSError:
            os.close(descriptor)
            return None
        os.close(descriptor)


def _reach_disk(path: pathlib.Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
