"""Puts what was downloaded into its place, so that at no moment an incomplete asset passes for a complete one."""

import errno
import os
import pathlib
import shutil

from openpi.checkpoints.assets import cache, manifest


def install(entry: cache.Entry, tree: pathlib.Path, new: manifest.Manifest, replaced: set[str]) -> None:
    """Moves the files at `tree` to `entry.target` and writes the manifest.

    A new asset appears at once, by one rename. In one that is there in part, or whose folders are links to another disk,
    files are replaced one by one; meanwhile no manifest vouches for it.

    Args:
      entry: the asset.
      tree: the downloaded file or folder.
      new: what the asset is when this is done.
      replaced: keys of the files in `tree`.
    """
    known = [*manifest.covering(entry.root, entry.key), *manifest.within(entry.root, entry.key)]
    gone = {name for old in known for name in old.records_of(entry.key)} - set(new.files)
    for old in known:
        if any(name in old.files and old.files[name] != new.files.get(name) for name in replaced | gone):
            manifest.remove(entry.root, old)
    for name in gone:  # files that an earlier fetch brought, and that the store no longer has
        (entry.root / name).unlink(missing_ok=True)
    if replaced:
        _move(tree, entry.target)
    manifest.save(entry.root, new)
    shutil.rmtree(entry.partial, ignore_errors=True)


def remove(target: pathlib.Path) -> None:
    """Removes a file or a whole folder of the cache."""
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    else:
        target.unlink(missing_ok=True)


def _move(tree: pathlib.Path, target: pathlib.Path) -> None:
    if tree.is_dir() and not target.exists():
        try:
            tree.rename(target)
            return
        except OSError as error:
            # Someone fetched a part of it just now, or it is on another disk.
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.EXDEV):
                raise
    if tree.is_dir():
        if target.is_file():
            target.unlink()
        target.mkdir(exist_ok=True)
        for child in tree.iterdir():
            _move(child, target / child.name)
        return
    if target.is_dir():
        raise IsADirectoryError(
            f"{target} is a folder and the store now has a file of that name; remove it and fetch again"
        )
    try:
        tree.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        target.unlink(missing_ok=True)  # whoever reads it goes on doing so
        shutil.copyfile(tree, target)
        with target.open("rb+") as file:
            os.fsync(file.fileno())  # before a manifest vouches for it
