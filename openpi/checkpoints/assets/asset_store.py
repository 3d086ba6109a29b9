"""Files and folders by URL, kept on this machine: what configurations and flags may name instead of a local path."""

import contextlib
import datetime
import logging
import os
import pathlib
from collections.abc import Iterator

import filelock

from openpi.checkpoints.assets import address as address_lib
from openpi.checkpoints.assets import background, cache, expiry, manifest
from openpi.checkpoints.assets import limits as limits_lib

_LOGGER = logging.getLogger("openpi")

_DEFAULT_LIMITS = limits_lib.Limits()


def fetch(
    url_or_path: str | os.PathLike[str],
    *,
    offline: bool = False,
    force: bool = False,
    limits: limits_lib.Limits = _DEFAULT_LIMITS,
) -> pathlib.Path:
    """The local path of a file or folder, downloaded first if need be. A complete one touches no network.

    Args:
      url_or_path: `gs://`, `hf://`, `https://` or `http://` (see `address`), or a path of this machine.
      offline: never use the network; also OPENPI_OFFLINE=1, and for `hf://` HF_HUB_OFFLINE=1.
      force: download it even if it is complete.
      limits: how patient to be.

    Returns:
      An absolute path: of the asset below `cache.data_home()`, or of the local file or folder itself.

    Raises:
      FileNotFoundError: it does not exist, or `offline` and it isn't complete here.
      ValueError: the URL makes no sense.
      OSError: it cannot be downloaded or stored; the message says why and what to do.
    """
    address = address_lib.parse(os.fspath(url_or_path))
    if address is None:
        return _local(pathlib.Path(url_or_path).expanduser().absolute())
    entry = cache.Entry(cache.data_home(), address.key)
    if not force and _is_complete(entry):
        return entry.target
    if offline or _offline_by_environment(address):
        raise _not_here(address, entry)
    from openpi.checkpoints.assets import pull  # only here: for what is complete no network code is loaded

    try:
        with _locked(entry, address):
            if force or not _is_complete(entry):  # another process may have fetched it meanwhile
                background.run(pull.pull(address, entry, force=force, limits=limits))
    except PermissionError as error:
        raise cache.denied(error) if error.filename else error from None
    return entry.target


def _local(path: pathlib.Path) -> pathlib.Path:
    if not path.exists():
        raise FileNotFoundError(
            f"{path} does not exist; give a path of this machine, or a gs://, hf:// or https:// URL"
        )
    return path


def _is_complete(entry: cache.Entry) -> bool:
    """Whether a manifest vouches for the asset, and its files are there in their sizes."""
    for note in manifest.covering(entry.root, entry.key):
        records = note.records_of(entry.key)
        if (
            records
            and not expiry.expired(entry.key, datetime.datetime.fromisoformat(note.fetched).timestamp())
            and all(_has_size(entry.root / name, record.size) for name, record in records.items())
        ):
            return True
    return False


def _has_size(path: pathlib.Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def _offline_by_environment(address: address_lib.Address) -> bool:
    names = ["OPENPI_OFFLINE", "HF_HUB_OFFLINE"] if address.store == "hf" else ["OPENPI_OFFLINE"]
    return any(os.environ.get(name, "").lower() in ("1", "true", "yes", "on") for name in names)


def _not_here(address: address_lib.Address, entry: cache.Entry) -> FileNotFoundError:
    if entry.target.exists():
        state = f"{entry.target} is there but nothing proves that it is whole"
        way = "fetch it once online (what is right is kept), or give that path itself if you know it is whole"
    else:
        state = f"it is not at {entry.target}"
        way = "fetch it once online, or copy it from another machine's cache together with .fetch"
    return FileNotFoundError(f"{address.name} is needed and this is offline: {state}; {way}")


@contextlib.contextmanager
def _locked(entry: cache.Entry, address: address_lib.Address) -> Iterator[None]:
    """One process at a time; the end of a process, however it ends, frees its lock."""
    cache.make_folder(entry.lock.parent)
    lock = filelock.FileLock(entry.lock)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        _LOGGER.info("waiting for another process that fetches %s", address.name)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
