"""Where things lie in a training run, and how to find a checkpoint in it.

```
<checkpoint_base_dir>/<name>/<exp_name>/     a run
    config.json  metrics.jsonl  loss.png  events.out.tfevents.*
    bad_batches/<step>.npz                   batches that made training go astray
    <step>/                                  a checkpoint: complete as soon as it bears this name
        params/                              Orbax PyTree {"params": tree}; the averages if EMA is on
        train_state/                         Orbax PyTree: step, optimizer state (and raw parameters if EMA is on)
        assets/<asset_id>/norm_stats.json
        assets/action_codec/                 of pi0-FAST: the codec that it was trained with
        config/config.json                   the whole configuration: enough to serve the checkpoint
        data_iterator/state.json             where the data loader stood
        loop/state.json                      what the training loop had in mind
```

A published checkpoint is one such step folder with `params/` and `assets/` alone.
"""

import pathlib

PARAMS = "params"
TRAIN_STATE = "train_state"
ASSETS = "assets"
ACTION_CODEC = "action_codec"
CONFIG = "config"
DATA_ITERATOR = "data_iterator"
LOOP = "loop"
BAD_BATCHES = "bad_batches"

CONFIG_FILE = "config.json"
DATA_ITERATOR_FILE = "state.json"
LOOP_FILE = "state.json"
STEP_MARKER = "_CHECKPOINT_METADATA"
TREE_MARKER = "_METADATA"
TEMPORARY_INFIX = ".orbax-checkpoint-tmp"


def run_dir(checkpoint_base_dir: str | pathlib.Path, name: str, exp_name: str) -> pathlib.Path:
    """The absolute path of a run.

    Raises:
      ValueError: `name` or `exp_name` is empty or would leave the base directory.
    """
    for field, value in (("name", name), ("exp_name", exp_name)):
        if not value or value != pathlib.Path(value).name or value in (".", ".."):
            raise ValueError(f"config.{field} is {value!r}; it names a folder: give a plain non-empty name without '/'")
    return (pathlib.Path(checkpoint_base_dir).expanduser() / name / exp_name).absolute()


def complete_steps(run: str | pathlib.Path) -> list[int]:
    """The steps that were saved to the end, ascending. An interrupted save has a temporary name and doesn't count."""
    run = pathlib.Path(run)
    if not run.is_dir():
        return []
    return sorted(int(entry.name) for entry in run.iterdir() if _is_step_name(entry.name) and _has_params(entry))


def find_step_dir(path: str | pathlib.Path) -> pathlib.Path:
    """The checkpoint that `path` means: itself, or the latest complete step of the run at `path`.

    Raises:
      FileNotFoundError: there is no such folder, or it holds no complete checkpoint.
    """
    path = _local(path)
    if _has_params(path):
        return path
    if steps := complete_steps(path):
        return path / str(steps[-1])
    if not path.exists():
        raise FileNotFoundError(
            f"no checkpoint at {path}: no such folder; give a step folder (which holds '{PARAMS}/') or a run that holds steps"
        )
    if not path.is_dir():
        raise FileNotFoundError(f"{path} is a file, not a checkpoint; give the step folder that holds '{PARAMS}/'")
    if any(TEMPORARY_INFIX in entry.name for entry in path.iterdir()):
        raise FileNotFoundError(
            f"no complete checkpoint in {path}: its only save was interrupted; train on with --config.resume"
        )
    raise FileNotFoundError(
        f"{path} is not a checkpoint: it has neither '{PARAMS}/{TREE_MARKER}' nor step folders such as '999/'; "
        "give a step folder or a run folder that training wrote"
    )


def find_params_dir(path: str | pathlib.Path) -> pathlib.Path:
    """The `params` item that `path` means: itself, or that of the checkpoint or run at `path`.

    Raises:
      FileNotFoundError: as `find_step_dir`.
    """
    path = _local(path)
    return path if (path / TREE_MARKER).is_file() else find_step_dir(path) / PARAMS


def config_file(step_dir: str | pathlib.Path) -> pathlib.Path:
    return pathlib.Path(step_dir) / CONFIG / CONFIG_FILE


def norm_stats_dir(step_dir: str | pathlib.Path, asset_id: str) -> pathlib.Path:
    """The folder that holds `norm_stats.json`. An asset id may have several parts (`owner/dataset`)."""
    assets = pathlib.Path(step_dir) / ASSETS
    if not asset_id or pathlib.PurePosixPath(asset_id).is_absolute() or ".." in pathlib.PurePosixPath(asset_id).parts:
        raise ValueError(f"config.data.asset_id is {asset_id!r}; give a relative name such as 'trossen'")
    return assets / asset_id


def codec_dir(step_dir: str | pathlib.Path) -> pathlib.Path | None:
    """The folder of the action codec that the checkpoint holds; None if it holds none, as published ones."""
    folder = pathlib.Path(step_dir) / ASSETS / ACTION_CODEC
    return folder if folder.is_dir() else None


def _local(path: str | pathlib.Path) -> pathlib.Path:
    if "://" in str(path):
        raise FileNotFoundError(
            f"{path} is a URL; fetch it (`tools/bazel run //openpi/checkpoints/assets:fetch -- {path}`) and give the path that prints"
        )
    return pathlib.Path(path).expanduser().absolute()


def _is_step_name(name: str) -> bool:
    return name.isascii() and name.isdigit() and str(int(name)) == name


def _has_params(step_dir: pathlib.Path) -> bool:
    return (step_dir / PARAMS / TREE_MARKER).is_file()
