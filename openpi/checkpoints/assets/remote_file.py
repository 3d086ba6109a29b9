"""What a store says about a file before it is downloaded."""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence

from openpi.checkpoints.assets import relative_path


@dataclasses.dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """A file to download.

    Attributes:
      path: its place below the asset; empty if the asset is this one file.
      url: where its bytes are.
      headers: what a request for them must carry.
      size: in bytes; None if the server doesn't say.
      checksum: `ALGORITHM:HEX` of its content (see `checksum`), if the store knows one.
      version: what changes when the content changes (generation, commit, ETag), if the store has such a thing.
      validators: response headers that must be these as long as the content is the same.
    """

    path: str
    url: str
    size: int | None
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    checksum: str | None = None
    version: str | None = None
    validators: Mapping[str, str] = dataclasses.field(default_factory=dict)


def check_listing(files: Sequence[RemoteFile], source: str) -> None:
    """Refuses a listing that cannot lie in one folder.

    Raises:
      FileNotFoundError: it is empty.
      ValueError: it names a path that leaves the asset, a path twice, or a file that is also a folder.
    """
    if not files:
        raise FileNotFoundError(f"{source} holds no files; check the address")
    if [file.path for file in files] == [""]:
        return
    folders = {str(parent) for file in files for parent in pathlib.PurePosixPath(file.path).parents}
    seen = set()
    for file in files:
        relative_path.check(file.path, source)
        if file.path in folders or file.path in seen:
            raise ValueError(
                f"{source} lists {file.path!r} twice, or as a file and as a folder; it cannot lie on a disk"
            )
        seen.add(file.path)
        if file.size is None or file.size < 0:
            raise ValueError(
                f"{source} lists {file.path!r} with size {file.size}, which cannot be checked; it is not fetched"
            )
