"""The state of training in the checkpoints of a run, and back."""

import json
import pathlib

from openpi.checkpoints import layout, manager, step_writer
from openpi.config import json_file, schema
from openpi.data import loader
from openpi.trainer import loop, loop_memory, resume_check
from openpi.trainer import state as state_lib


def save(
    run: step_writer.StepWriter, config: schema.ConfigDict, assets: dict[str, bytes], snapshot: loop.Snapshot
) -> None:
    """Starts to write a checkpoint; returns when its state may be donated.

    Args:
      run: from `manager.open_run`.
      config: of the run.
      assets: of the data: file name -> content.
      snapshot: its position is as JSON can hold it.
    """
    params, train_state = state_lib.to_items(snapshot.state)
    manager.save(
        run,
        snapshot.step,
        params=params,
        train_state=train_state,
        config=_config_text(config),
        assets=assets,
        data_iterator=json.dumps(snapshot.position).encode(),
        loop=loop_memory.dumps(snapshot.memory),
        score=snapshot.score,
    )


def latest(run_dir: pathlib.Path) -> pathlib.Path | None:
    """The last checkpoint of a run, None if there is none yet."""
    steps = layout.complete_steps(run_dir)
    return run_dir / str(steps[-1]) if steps else None


def check(
    step_dir: pathlib.Path,
    config: schema.ConfigDict,
    assets: dict[str, bytes],
    abstract: state_lib.TrainState,
    batches: loader.Loader,
) -> None:
    """Says whether a run can go on from a checkpoint, and moves `batches` to its position.

    Args:
      step_dir: the checkpoint.
      config: of the program.
      assets: of its data: file name -> content.
      abstract: shapes and dtypes.
      batches: of its data.

    Raises:
      ValueError: the model, the optimizer, the data or another setting is not what it was; or the checkpoint is damaged.
    """
    resume_check.config(step_dir, config)
    params, train_state = state_lib.to_items(abstract)
    manager.check(step_dir, params=params, train_state=train_state)
    resume_check.assets(step_dir, assets)
    position = step_dir / layout.DATA_ITERATOR / layout.DATA_ITERATOR_FILE
    if position.is_file():  # not in old ones
        batches.set_state(json.loads(position.read_text(encoding="utf-8")))


def restore(step_dir: pathlib.Path, abstract: state_lib.TrainState) -> tuple[state_lib.TrainState, loop_memory.Memory]:
    """Reads a checkpoint.

    Args:
      step_dir: the checkpoint.
      abstract: shapes, dtypes and shardings.

    Raises:
      ValueError: the checkpoint is of another model or another optimizer, or damaged.
    """
    params, train_state = state_lib.to_items(abstract)
    restored = manager.restore(step_dir, params=params, train_state=train_state)
    return state_lib.from_items(restored.params, restored.train_state), loop_memory.loads(restored.loop)


def write_config(run_dir: pathlib.Path, config: schema.ConfigDict) -> None:
    """Writes the run's config.json, at once or not at all."""
    path = run_dir / layout.CONFIG_FILE
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(_config_text(config), encoding="utf-8")
    temporary.replace(path)


def _config_text(config: schema.ConfigDict) -> str:
    saved = config.copy_and_resolve_references()
    saved.overwrite = saved.resume = False  # they are about one start of the program
    return json_file.dumps(saved)
