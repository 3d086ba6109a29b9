"""Whether a run can be continued under a configuration, seen before anything is computed."""

import json
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

from openpi.checkpoints import layout
from openpi.config import json_file, schema

# What the rest of a run follows from: a field, or all fields below it. (The order of the data, `seed` and `batch_size`
# with it, is checked by the data loader.) All else may change, such as num_train_steps, intervals, paths and workers.
_MATTERS = (
    "model",
    "tokenizer.vocab_size",
    "tokenizer.actions",
    "data.kind",
    "data.robot",
    "data.default_prompt",
    "data.prompt_from_task",
    "data.repack",
    "data.action_sequence_keys",
    "data.use_quantile_norm",
    "freeze",
    "optimizer",
    "lr_schedule",
    "ema_decay",
    "noise_draws",
    "validation.share",
    "validation.episodes",
    "validation.seed",
    "on_divergence",
    "divergence_factor",
)
_FREE = ("model.remat",)

_NEW_RUN = (
    "or start a new run from this one's weights (--config.exp_name=NEW --config.weights.kind=checkpoint "
    "--config.weights.path={})"
)


def config(step_dir: pathlib.Path, now: schema.ConfigDict) -> None:
    """Compares the configuration with the one that a checkpoint was trained with.

    Args:
      step_dir: the checkpoint; one without a configuration is taken as it is.
      now: of the program.

    Raises:
      ValueError: they differ in something that the rest of the training follows from; or the checkpoint's is damaged.
    """
    path = layout.config_file(step_dir)
    if not path.is_file():
        return
    before, after = (_values(each) for each in (json_file.load(path), now))
    differing = [field for field in sorted(before.keys() | after.keys()) if before.get(field) != after.get(field)]
    changes = [
        f"config.{field} was {_shown(before, field)} and is {_shown(after, field)}"
        for field in differing
        if _within(field, _MATTERS) and not _within(field, _FREE)
    ]
    if changes:
        more = f" (and {len(changes) - 3} more)" if len(changes) > 3 else ""
        raise ValueError(
            f"the run cannot be resumed with other settings: {'; '.join(changes[:3])}{more}; set them back, "
            + _NEW_RUN.format(step_dir)
        )


def assets(step_dir: pathlib.Path, now: Mapping[str, bytes]) -> None:
    """Compares statistics and action codec with those that a checkpoint was trained with.

    Args:
      step_dir: the checkpoint.
      now: file name -> content. Files that only one of the two has are no matter: they bear the dataset's name.

    Raises:
      ValueError: a file has other content.
    """
    for name, content in now.items():
        path = step_dir / layout.ASSETS / name
        if path.is_file() and _meaning(path.read_bytes()) != _meaning(content):
            raise ValueError(
                f"the run cannot be resumed: {name} is not what it was trained with, which is {path}; put that one back, "
                + _NEW_RUN.format(step_dir)
            )


def _values(config: schema.ConfigDict) -> dict[str, Any]:
    """Field -> value as JSON holds it, of the innermost fields."""
    return dict(_fields("", json.loads(json_file.dumps(config.copy_and_resolve_references()))))


def _fields(prefix: str, value: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, dict) or not value:
        yield prefix, value
        return
    for key, inner in value.items():
        yield from _fields(f"{prefix}.{key}" if prefix else key, inner)


def _within(field: str, roots: tuple[str, ...]) -> bool:
    return any(field == root or field.startswith(f"{root}.") for root in roots)


def _shown(values: dict[str, Any], field: str) -> str:
    return f"{values[field]!r:.60}" if field in values else "absent"


def _meaning(content: bytes) -> Any:
    """Of a JSON file, however it is written."""
    try:
        return json.loads(content)
    except ValueError:
        return content
