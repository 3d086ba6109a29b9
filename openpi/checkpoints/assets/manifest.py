"""The note that makes an asset complete: which files it has. Without it, files on the disk are only files."""

import dataclasses
import datetime
import json
import pathlib
from collections.abc import Iterator, Mapping

from openpi.checkpoints.assets import cache, relative_path

_VERSION = 1
_LARGEST = 256 << 20  # bytes; a million files


@dataclasses.dataclass(frozen=True, kw_only=True)
class Record:
    """One file: its size in bytes, and what the store said of its content."""

    size: int
    checksum: str | None = None
    version: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Manifest:
    """A complete asset.

    Attributes:
      url: where it came from.
      key: its place below the cache's root.
      files: key of each file -> its record.
      fetched: when it was complete, in ISO 8601 with the time zone.
    """

    url: str
    key: str
    files: Mapping[str, Record]
    fetched: str = dataclasses.field(
        default_factory=lambda: datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    )

    def records_of(self, key: str) -> dict[str, Record]:
        """The files of the asset at `key`, which may lie within this one: all of them if `key` is a folder of it."""
        return {name: record for name, record in self.files.items() if name == key or name.startswith(f"{key}/")}


def save(root: pathlib.Path, manifest: Manifest) -> None:
    """Writes it, whole or not at all."""
    path = cache.manifest_path(root, manifest.key)
    cache.make_folder(path.parent)
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.write_text(json.dumps({"format": _VERSION, **dataclasses.asdict(manifest)}, indent=1), encoding="utf-8")
    temporary.replace(path)


def load(root: pathlib.Path, key: str) -> Manifest | None:
    """The manifest of the asset at `key`; None if there is none, or it is damaged and so proves nothing."""
    path = cache.manifest_path(root, key)
    try:
        if path.stat().st_size > _LARGEST:
            return None
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != _VERSION or content["key"] != key or not content["files"]:
            return None
        files = {relative_path.check(name, str(path)): Record(**record) for name, record in content["files"].items()}
        if not all(_is_valid(record) and (name == key or name.startswith(f"{key}/")) for name, record in files.items()):
            return None
        datetime.datetime.fromisoformat(content["fetched"])
        return Manifest(url=str(content["url"]), key=key, files=files, fetched=content["fetched"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def covering(root: pathlib.Path, key: str) -> Iterator[Manifest]:
    """The manifests that may speak of `key`: its own first, then those of the folders above it."""
    parts = key.split("/")
    for end in range(len(parts), 0, -1):
        if found := load(root, "/".join(parts[:end])):
            yield found


def within(root: pathlib.Path, key: str) -> Iterator[Manifest]:
    """The manifests of assets that lie in the folder `key`, fetched before or apart from it."""
    notes = root / ".fetch"
    suffix = cache.manifest_path(root, key).name.removeprefix(pathlib.PurePosixPath(key).name)
    for path in sorted((notes / key).rglob(f"*{suffix}")):
        if found := load(root, path.relative_to(notes).as_posix().removesuffix(suffix)):
            yield found


def remove(root: pathlib.Path, manifest: Manifest) -> None:
    cache.manifest_path(root, manifest.key).unlink(missing_ok=True)


def _is_valid(record: Record) -> bool:
    return (
        type(record.size) is int
        and record.size >= 0
        and all(isinstance(text, str | None) for text in (record.checksum, record.version))
    )
