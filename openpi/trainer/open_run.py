"""The folder of a run, opened by all processes that train it."""

import functools
import pathlib

from openpi.checkpoints import layout, manager, step_writer
from openpi.config import schema
from openpi.trainer import distributed, run_checkpoints


def open_run(
    run_dir: pathlib.Path, config: schema.ConfigDict, processes: distributed.Processes
) -> step_writer.StepWriter:
    """Opens it for saving; process 0 makes or empties it first, and writes config.json.

    Raises:
      FileExistsError, NotADirectoryError, ValueError: as `manager.open_run`.
      FileNotFoundError: the processes don't see the same folder.
    """
    return processes.first_alone(functools.partial(_open, run_dir, config, first=processes.index == 0))


def _open(run_dir: pathlib.Path, config: schema.ConfigDict, *, first: bool) -> step_writer.StepWriter:
    if not first and not (run_dir / layout.CONFIG_FILE).is_file():
        raise FileNotFoundError(
            f"process 0 made {run_dir}, and this one does not see it: set config.checkpoint_base_dir to a folder that all "
            "processes share"
        )
    run, _ = manager.open_run(
        run_dir,
        overwrite=config.overwrite and first,
        resume=config.resume or not first,
        keep_latest=config.keep_latest,
        keep_period=config.keep_period,
        keep_best=config.keep_best,
    )
    if first:
        run_checkpoints.write_config(run_dir, config)
    return run
