"""A batch that made training go astray, kept for a person to look at."""

import pathlib
from typing import Any

import jax
import numpy as np

from openpi.checkpoints import layout
from openpi.data import loader, origin


def report(run_dir: pathlib.Path, batches: loader.Loader, step: int, position: Any, reason: str) -> str:
    """Reads the batch of a step once more, writes it to `<run_dir>/bad_batches/<step>.npz`, and says where it comes from.

    The file holds the batch's leaves as the loader makes them ("/" between the keys), and `origin/dataset`, `origin/episode`
    and `origin/frame` [B]. Of several processes each writes its part.

    Args:
      run_dir: the run.
      batches: that gave it.
      step: of training.
      position: of `batches` after it.
      reason: what is wrong.

    Returns:
      One line.
    """
    batch, origins = batches.last(position)
    path = run_dir / layout.BAD_BATCHES / f"{step}{_part()}.npz"
    arrays = {
        jax.tree_util.keystr(where, simple=True, separator="/"): leaf
        for where, leaf in jax.tree_util.tree_leaves_with_path(batch)
    }
    arrays |= {f"origin/{name}": np.array([getattr(each, name) for each in origins]) for name in origin.Origin._fields}
    told = f"step {step}: {reason}; its batch is of {origin.describe(origins)}"
    try:
        path.parent.mkdir(exist_ok=True)
        np.savez(path, **arrays)
    except OSError as error:  # a full disk is no reason to end training
        path.unlink(missing_ok=True)
        return f"{told}, and cannot be saved ({error.strerror})"
    return f"{told}, saved in {path}"


def _part() -> str:
    return f"-process{jax.process_index()}" if jax.process_count() > 1 else ""
