"""Which files of an asset are here already, with the content that the store lists."""

import pathlib
from collections.abc import Sequence

from openpi.checkpoints.assets import cache, checksum, manifest, remote_file, staging


def missing(
    files: Sequence[remote_file.RemoteFile], entry: cache.Entry, stage: staging.Staging, *, force: bool
) -> list[remote_file.RemoteFile]:
    """The files that have yet to be downloaded: neither in the cache (or `force`) nor whole in the staging folder.

    A file in the cache counts if a manifest has it with the store's checksum or version, or if its content has that
    checksum. So a cache that the published program filled is taken over after one look at each file.
    """
    known: dict[str, manifest.Record] = {}
    for note in [*manifest.within(entry.root, entry.key), *manifest.covering(entry.root, entry.key)]:
        known |= note.records_of(entry.key)
    result = []
    for file in files:
        record = known.get(key(entry, file))
        if not force and _is_good(staging.place(entry.target, file), file, record):
            stage.place(file).unlink(missing_ok=True)  # it would take the place of the good one
            continue
        if not _is_good(stage.place(file), file, None):
            result.append(file)
    return result


def key(entry: cache.Entry, file: remote_file.RemoteFile) -> str:
    """The key of one file of an asset."""
    return f"{entry.key}/{file.path}" if file.path else entry.key


def _is_good(path: pathlib.Path, file: remote_file.RemoteFile, known: manifest.Record | None) -> bool:
    if not path.is_file() or path.stat().st_size != file.size:
        return False
    if known and known.size == file.size:
        if file.checksum and known.checksum == file.checksum:
            return True
        if file.version and known.version == file.version:
            return True
    return file.checksum is not None and checksum.matches(path, file.checksum)
