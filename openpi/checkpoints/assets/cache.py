"""Where an asset and the notes about it lie.

```
<root>/<key>                              the asset, in the layout of the published cache
<root>/.../.<name>.partial/               beside it: what is downloaded so far
<root>/.fetch/<key>.manifest.json         what makes the asset complete
<root>/.fetch/<key>.lock                  held by the process that fetches it; the file stays
```
"""

import dataclasses
import errno
import os
import pathlib


def data_home() -> pathlib.Path:
    """Where openpi keeps what it can fetch or make again: $OPENPI_DATA_HOME, or ~/.cache/openpi."""
    return pathlib.Path(os.environ.get("OPENPI_DATA_HOME") or "~/.cache/openpi").expanduser().absolute()


@dataclasses.dataclass(frozen=True)
class Entry:
    """The places of one asset in the cache at `root`."""

    root: pathlib.Path
    key: str

    @property
    def target(self) -> pathlib.Path:
        return self.root / self.key

    @property
    def partial(self) -> pathlib.Path:
        return self.target.parent / f".{self.target.name}.partial"

    @property
    def manifest(self) -> pathlib.Path:
        return manifest_path(self.root, self.key)

    @property
    def lock(self) -> pathlib.Path:
        return self.root / ".fetch" / f"{self.key}.lock"


def manifest_path(root: pathlib.Path, key: str) -> pathlib.Path:
    return root / ".fetch" / f"{key}.manifest.json"


def make_folder(folder: pathlib.Path) -> None:
    """Makes a folder of the cache, with the permissions that the user's umask gives.

    Raises:
      PermissionError: the user may not; says how to mend it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        file = next(path for path in (folder, *folder.parents) if path.exists())
        raise FileExistsError(f"{file} is a file where the cache needs a folder; remove it and fetch again") from None
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise denied(error) from None
        raise


def denied(error: OSError) -> PermissionError:
    """An error of the file system with the way to mend it."""
    return PermissionError(
        f"may not write {error.filename}; give yourself the right to (chmod, chown), delete that entry of the cache, "
        "or set OPENPI_DATA_HOME to a folder of your own"
    )
