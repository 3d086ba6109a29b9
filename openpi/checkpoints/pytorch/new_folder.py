"""A folder that appears whole or not at all."""

import contextlib
import pathlib
import shutil
import uuid
from collections.abc import Iterator

# What conversions and training write into a checkpoint. Everything else is somebody's, and nothing here deletes it.
_OURS = {"params", "assets", "config", "config.json", "model.safetensors", "_CHECKPOINT_METADATA"}


def check(target: pathlib.Path, *, overwrite: bool) -> None:
    """Says whether `create` may go on, and touches nothing.

    Raises:
      FileExistsError: `target` exists; and `overwrite` is not given, or it holds something that is not a checkpoint's.
    """
    if not target.exists() and not target.is_symlink():
        return
    if not overwrite:
        raise FileExistsError(f"{target} exists already; add --overwrite to replace it, or give another --to")
    if target.is_symlink() or not target.is_dir():
        raise FileExistsError(f"{target} is no folder; --overwrite replaces checkpoints only: give another --to")
    if foreign := sorted(entry.name for entry in target.iterdir() if entry.name not in _OURS):
        raise FileExistsError(
            f"--overwrite would delete {target}, but it holds {foreign[0]!r}, which is no part of a checkpoint; give another --to"
        )


@contextlib.contextmanager
def create(target: pathlib.Path, *, overwrite: bool) -> Iterator[pathlib.Path]:
    """Checks as `check` does, and gives an empty folder beside `target` that takes its place when all went well."""
    check(target, overwrite=overwrite)
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = lambda what: target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.{what}")
    temporary = beside("tmp")
    temporary.mkdir()
    try:
        yield temporary
        if target.exists():
            old = beside("old")
            target.rename(old)
            temporary.rename(target)
            shutil.rmtree(old)
        else:
            temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
