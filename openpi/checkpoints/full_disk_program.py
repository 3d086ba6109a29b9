"""Saves while there is room, while there is none, and again when there is.

    full_disk_program FOLDER file_system|files

What makes it full: a file that takes the rest of FOLDER's file system, or a limit to the size of files. For each step a line:
its number, whether it failed, and which steps are there; at last what the run's folder holds.
"""

import logging
import pathlib
import resource
import sys

import jax.numpy as jnp
import numpy as np

from openpi.checkpoints import layout, manager, restore, step_writer

_LIMIT = resource.getrlimit(resource.RLIMIT_FSIZE)


def main() -> None:
    logging.basicConfig(format="%(levelname)s %(message)s", force=True)
    folder, kind = pathlib.Path(sys.argv[1]), sys.argv[2]
    run, _ = manager.open_run(folder / "run", overwrite=False, resume=False, keep_period=None)
    fill = _fill_file_system if kind == "file_system" else _limit_files
    _save(run, 1)
    fill(folder, 100_000)  # the arrays do not fit
    _save(run, 2)
    fill(folder, 0)  # nothing fits
    _save(run, 3)
    _save(run, 4)
    (folder / "filler").unlink(missing_ok=True)
    resource.setrlimit(resource.RLIMIT_FSIZE, _LIMIT)
    _save(run, 5)
    _save(run, 6)
    run.close()
    print("left", *(entry.name for entry in run.directory.iterdir()))


def _save(run: step_writer.StepWriter, step: int) -> None:
    params = {"a": {"kernel": jnp.asarray(_noise(step))}}
    state = {"step": jnp.asarray(step), "params": {}, "opt_state": ()}
    manager.save(run, step, params=params, train_state=state, config="{}", loop=b"{}")
    run.wait_until_finished()
    kernel = restore.restore_params(run.directory)["a"]["kernel"]
    np.testing.assert_array_equal(kernel, _noise(layout.complete_steps(run.directory)[-1]))
    print(step, bool(run.failure), *layout.complete_steps(run.directory), flush=True)


def _noise(step: int) -> np.ndarray:
    """360 kB, which nothing compresses."""
    return np.random.default_rng(step).normal(size=(300, 300)).astype(np.float32)


def _fill_file_system(folder: pathlib.Path, spare: int) -> None:
    with (folder / "filler").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            file.truncate(max(0, file.tell() - spare))


def _limit_files(folder: pathlib.Path, spare: int) -> None:
    del folder
    resource.setrlimit(resource.RLIMIT_FSIZE, (spare, _LIMIT[1]))


if __name__ == "__main__":
    main()
