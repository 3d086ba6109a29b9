"""The state of training in the checkpoints of a run, and back."""

import json
import pathlib
from typing import Any

import orbax.checkpoint as ocp

from openpi.checkpoints import layout, manager
from openpi.config import json_file, schema
from openpi.trainer import state as state_lib


def save(
    run: ocp.CheckpointManager,
    config: schema.ConfigDict,
    assets: dict[str, bytes],
    step: int,
    state: state_lib.TrainState,
    position: Any,
) -> None:
    """Starts to write a checkpoint; returns when `state` may be donated.

    Args:
      run: from `manager.open_run`.
      config: of the run.
      assets: of the data: file name -> content.
      step: names the checkpoint.
      state: after that step.
      position: of the data loader after that step, as JSON can hold it.
    """
    params, train_state = state_lib.to_items(state)
    manager.save(
        run,
        step,
        params=params,
        train_state=train_state,
        config=_config_text(config),
        assets=assets,
        data_iterator=json.dumps(position).encode(),
    )


def restore(run: ocp.CheckpointManager, abstract: state_lib.TrainState) -> tuple[state_lib.TrainState, Any]:
    """The latest checkpoint's state, and the position of its data loader (None if it has none).

    Args:
      run: from `manager.open_run`.
      abstract: shapes, dtypes and shardings.

    Raises:
      ValueError: the checkpoint is of another model or another optimizer.
    """
    params, train_state = state_lib.to_items(abstract)
    restored = manager.restore(run, params=params, train_state=train_state)
    position = None if restored.data_iterator is None else json.loads(restored.data_iterator)
    return state_lib.from_items(restored.params, restored.train_state), position


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
