"""An Orbax item that is a few small files: norm stats, the configuration, the data loader's position."""

import dataclasses
import pathlib
from collections.abc import Mapping

import jax
import orbax.checkpoint as ocp
from etils import epath


class FilesHandler(ocp.CheckpointHandler):
    """Writes files into the item's folder. Readers open them by their path in `layout`, without Orbax."""

    def save(self, directory: epath.Path, args: "FilesSave") -> None:
        if jax.process_index() != 0:
            return
        for name, content in args.files.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def restore(self, directory: epath.Path, args: ocp.args.CheckpointArgs | None = None) -> dict[str, bytes]:
        del args
        root = pathlib.Path(directory)
        return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@ocp.args.register_with_handler(FilesHandler, for_save=True)
@dataclasses.dataclass
class FilesSave(ocp.args.CheckpointArgs):
    """Relative path → content."""

    files: Mapping[str, bytes]


@ocp.args.register_with_handler(FilesHandler, for_restore=True)
@dataclasses.dataclass
class FilesRestore(ocp.args.CheckpointArgs):
    """Restores every file of the item."""
