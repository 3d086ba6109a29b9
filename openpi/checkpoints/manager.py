"""Saves and restores the checkpoints of a run: asynchronous, atomic, and with few kept."""

import pathlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import orbax.checkpoint as ocp

from openpi.checkpoints import files_handler, layout, merge, run_directory, step_writer
from openpi.checkpoints import restore as restore_lib
from openpi.checkpoints import retention as retention_lib

_CHUNK_BYTES = 64 << 20  # arrays are stored in pieces of this size: written in parallel, and read without a whole one


class Restored(NamedTuple):
    """What `restore` reads back."""

    params: dict[str, Any]
    train_state: dict[str, Any]
    data_iterator: bytes | None
    loop: bytes | None


def open_run(
    directory: str | pathlib.Path,
    *,
    overwrite: bool,
    resume: bool,
    keep_period: int | None,
    keep_latest: int = 1,
    keep_best: int = 0,
) -> tuple[step_writer.StepWriter, bool]:
    """Opens the folder of a run for saving.

    Args:
      directory: the run (`layout.run_dir`).
      overwrite: delete an existing run first.
      resume: continue an existing run; if it holds no checkpoint, start it afresh.
      keep_period: besides the latest checkpoints, keep those whose step is a multiple of it; None or 0 keeps none.
      keep_latest: how many of the latest.
      keep_best: how many of those with the lowest score.

    Returns:
      The writer (close it, or wait for it, before the program ends) and whether there is a checkpoint to resume from.

    Raises:
      FileExistsError, NotADirectoryError, ValueError: as `run_directory.check`.
    """
    directory = run_directory.prepare(directory, overwrite=overwrite, resume=resume).absolute()
    rule = retention_lib.Retention(latest=keep_latest, every=keep_period or 0, best=keep_best)
    return step_writer.StepWriter(directory, rule), resume and bool(layout.complete_steps(directory))


def save(
    writer: step_writer.StepWriter,
    step: int,
    *,
    params: Mapping[str, Any],
    train_state: Mapping[str, Any],
    config: str,
    assets: Mapping[str, bytes] | None = None,
    data_iterator: bytes | None = None,
    loop: bytes | None = None,
    score: float | None = None,
) -> None:
    """Starts to write a checkpoint; returns when the arrays are copied, so that training may go on.

    The step folder gets its final name when everything is on disk: before that it doesn't count as a checkpoint. If the disk
    does not take it there will be none of this step, and `writer.failure` and a warning say so.

    Args:
      writer: from `open_run`.
      step: names the folder.
      params: nested dict of arrays, published paths (averages if EMA is on).
      train_state: the rest of the state, as a dict of pytrees of arrays.
      config: the whole configuration, as JSON.
      assets: files under `assets/`, e.g. `{"trossen/norm_stats.json": ...}`.
      data_iterator: where the data loader stands, JSON.
      loop: what else going on needs, JSON.
      score: the lower, the better; for `keep_best`.
    """
    items = {
        layout.PARAMS: _save_tree({layout.PARAMS: restore_lib.append_value(dict(params))}),
        layout.TRAIN_STATE: _save_tree(_append_values(dict(train_state))),
        layout.CONFIG: files_handler.FilesSave({layout.CONFIG_FILE: config.encode()}),
    }
    if assets:
        items[layout.ASSETS] = files_handler.FilesSave(assets)
    if data_iterator is not None:
        items[layout.DATA_ITERATOR] = files_handler.FilesSave({layout.DATA_ITERATOR_FILE: data_iterator})
    if loop is not None:
        items[layout.LOOP] = files_handler.FilesSave({layout.LOOP_FILE: loop})
    writer.start(step, ocp.args.Composite(**items), score)


def check(step_dir: pathlib.Path, *, params: Mapping[str, Any], train_state: Mapping[str, Any]) -> None:
    """Says whether `restore` would find what it expects, and reads no numbers.

    Args:
      step_dir: the checkpoint.
      params: as for `restore`.
      train_state: likewise.

    Raises:
      ValueError: the checkpoint is of another model or another optimizer.
    """
    merge.check(
        restore_lib.parameters(step_dir / layout.PARAMS), params, what=f"the parameters of the checkpoint {step_dir}"
    )
    _check_leaves(step_dir / layout.TRAIN_STATE, _append_values(dict(train_state)))


def restore(step_dir: pathlib.Path, *, params: Mapping[str, Any], train_state: Mapping[str, Any]) -> Restored:
    """Reads a checkpoint back.

    Args:
      step_dir: the checkpoint.
      params: what is expected, as `jax.ShapeDtypeStruct`s that may bear shardings.
      train_state: likewise; the same structure as was saved.

    Raises:
      ValueError: the checkpoint is of another model or another optimizer.
    """
    check(step_dir, params=params, train_state=train_state)
    params_item = {layout.PARAMS: restore_lib.append_value(dict(params))}
    state_item = _append_values(dict(train_state))
    reader = step_writer.checkpointer()
    restored = reader.restore(
        step_dir,
        args=ocp.args.Composite(
            **{
                name: ocp.args.PyTreeRestore(item=item, restore_args=ocp.checkpoint_utils.construct_restore_args(item))
                for name, item in ((layout.PARAMS, params_item), (layout.TRAIN_STATE, state_item))
            }
        ),
    )
    reader.close()
    return Restored(
        params=restore_lib.strip_value(restored[layout.PARAMS][layout.PARAMS]),
        train_state=_strip_values(restored[layout.TRAIN_STATE]),
        data_iterator=_read(step_dir / layout.DATA_ITERATOR / layout.DATA_ITERATOR_FILE),
        loop=_read(step_dir / layout.LOOP / layout.LOOP_FILE),
    )


def _read(path: pathlib.Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _save_tree(tree: dict[str, Any]) -> ocp.args.PyTreeSave:
    return ocp.args.PyTreeSave(tree, jax.tree.map(lambda _: ocp.SaveArgs(chunk_byte_size=_CHUNK_BYTES), tree))


def _check_leaves(tree_dir: pathlib.Path, expected: Mapping[str, Any]) -> None:
    stored = _shapes(restore_lib.metadata(tree_dir))
    wanted = _shapes(expected)
    if stored != wanted:
        path = min(path for path in stored.keys() | wanted.keys() if stored.get(path) != wanted.get(path))
        raise ValueError(
            f"the train state in {tree_dir.parent} has {path} {stored.get(path, 'absent')} where this configuration has "
            f"{wanted.get(path, 'absent')}; resume with the same model, optimizer and ema_decay, or start another --config.exp_name"
        )


def _shapes(tree: Any) -> dict[str, tuple[int, ...]]:
    flat = ocp.tree.to_flat_dict(tree, sep="/")
    return {path: tuple(leaf.shape) for path, leaf in flat.items() if hasattr(leaf, "shape")}


def _append_values(train_state: dict[str, Any]) -> dict[str, Any]:
    return {name: _map_dicts(restore_lib.append_value, tree) for name, tree in train_state.items()}


def _strip_values(train_state: dict[str, Any]) -> dict[str, Any]:
    return {name: _map_dicts(restore_lib.strip_value, tree) for name, tree in train_state.items()}


def _map_dicts(function: Any, tree: Any) -> Any:
    """Applies `function` to the dicts in `tree`, which are parameter-shaped; the nodes around them are tuples."""
    is_dict = lambda node: isinstance(node, dict)
    return jax.tree.map(lambda node: function(node) if is_dict(node) else node, tree, is_leaf=is_dict)
