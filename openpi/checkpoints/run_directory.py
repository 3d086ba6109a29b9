"""Decides what happens to a run's folder before anything is written to it: start, continue, or start anew."""

import pathlib
import re
import shutil

from openpi.checkpoints import layout

# What training writes beside the steps. Everything else is somebody's, and nothing here deletes it.
_OUR_FILES = re.compile(
    r"config\.json|metrics\.jsonl|loss\.png|first_batch\.png|wandb_id\.txt|events\.out\.tfevents\..*|\..*\.tmp"
)
# Folders by name, and what is in them.
_OUR_FOLDERS = {
    layout.BAD_BATCHES: re.compile(r".*\.npz|\..*"),
    "validation": re.compile(r"\d+\.json|\d+_episode_\d+\.png|\..*\.tmp"),
    "profile": re.compile("plugins"),
    "wandb": re.compile(r"(offline-)?run-.*|latest-run|debug.*\.log|settings"),
}


def check(directory: str | pathlib.Path, *, overwrite: bool, resume: bool) -> None:
    """Says whether `open_run` may go on, and touches nothing.

    Raises:
      ValueError: both `overwrite` and `resume`.
      FileExistsError: there is a run already and neither is given; or `overwrite` is given for a folder that holds
        something which training didn't write.
      NotADirectoryError: `directory` is a file.
    """
    directory = pathlib.Path(directory)
    if overwrite and resume:
        raise ValueError(
            "config.overwrite and config.resume are both True: one deletes the run, the other continues it; choose one"
        )
    if not directory.exists():
        return
    if not directory.is_dir():
        raise NotADirectoryError(f"the run folder {directory} is a file; move it away or set another --config.exp_name")
    if not any(directory.iterdir()):
        return
    if not overwrite and not resume:
        raise FileExistsError(
            f"the run folder {directory} exists already; "
            "add --config.resume to continue it, --config.overwrite to delete it and start anew, or set another --config.exp_name"
        )
    if overwrite:
        _check_ours(directory)


def prepare(directory: str | pathlib.Path, *, overwrite: bool, resume: bool) -> pathlib.Path:
    """Checks as `check` does, deletes an old run if `overwrite` and half-written checkpoints if `resume`, makes the folder."""
    directory = pathlib.Path(directory)
    check(directory, overwrite=overwrite, resume=resume)
    directory.mkdir(parents=True, exist_ok=True)
    for entry in list(directory.iterdir()):
        if overwrite or layout.TEMPORARY_INFIX in entry.name:
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    return directory


def _check_ours(directory: pathlib.Path) -> None:
    foreign = sorted(entry.name for entry in directory.iterdir() if not _is_ours(entry))
    if foreign:
        more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
        raise FileExistsError(
            f"--config.overwrite would delete {directory}, but it holds {foreign[0]!r}{more}, which training did not write; "
            "move that away or set another --config.exp_name"
        )


def _is_ours(entry: pathlib.Path) -> bool:
    if entry.is_symlink():
        return False
    if entry.is_file():
        return _OUR_FILES.fullmatch(entry.name) is not None
    if layout.TEMPORARY_INFIX in entry.name:
        return True
    if entry.name in _OUR_FOLDERS:
        return all(_OUR_FOLDERS[entry.name].fullmatch(inner.name) for inner in entry.iterdir())
    return entry.name.isdigit() and (entry / layout.STEP_MARKER).is_file()
