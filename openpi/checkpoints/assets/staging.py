"""Beside an asset, the folder that holds what is downloaded of it so far; it outlives a failure."""

import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Sequence

from openpi.checkpoints.assets import remote_file


@dataclasses.dataclass(frozen=True)
class Staging:
    """`folder` holds parts of files, and whole files in `tree` (a file itself, if the asset is one)."""

    folder: pathlib.Path

    @property
    def tree(self) -> pathlib.Path:
        return self.folder / "tree"

    def part(self, file: remote_file.RemoteFile) -> pathlib.Path:
        """Where the bytes of `file` are gathered: the same place for the same content only."""
        identity = json.dumps([file.path, file.size, file.checksum, file.version, dict(file.validators)])
        return self.folder / f"{hashlib.sha256(identity.encode()).hexdigest()[:32]}.part"

    def place(self, file: remote_file.RemoteFile) -> pathlib.Path:
        """Where `file` is when it is whole."""
        return place(self.tree, file)

    def keep_only(self, files: Sequence[remote_file.RemoteFile]) -> None:
        """Removes what is of no use for `files`: an earlier attempt may have been for other content."""
        parts, places = {self.part(file) for file in files}, {self.place(file) for file in files}
        for path in self.folder.glob("*.part"):
            if path not in parts:
                path.unlink()
        if self.tree.is_file() and self.tree not in places:
            self.tree.unlink()
        for path in sorted(self.tree.rglob("*"), reverse=True):  # what is in a folder before the folder
            if path.is_dir() and not path.is_symlink():
                if not any(path.iterdir()):
                    path.rmdir()
            elif path not in places:
                path.unlink()
        if self.tree.is_dir() and not any(self.tree.iterdir()):
            self.tree.rmdir()


def place(asset: pathlib.Path, file: remote_file.RemoteFile) -> pathlib.Path:
    """Where `file` lies in the asset at `asset`, which may be this one file."""
    return asset / file.path if file.path else asset
