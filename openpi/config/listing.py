"""The released configurations in a line each, as `--list_configs` shows them: what they say themselves, not what is said of them."""

import sys
from typing import Any

from absl import flags

from openpi.config import load, schema, table

_MODELS = {"pi0": "pi0", "pi05": "pi0.5", "pi0_fast": "pi0-FAST"}


class ListFlag(flags.BooleanFlag):
    """`--list_configs`: prints the list and ends the program, like `--help`."""

    def __init__(self) -> None:
        super().__init__("list_configs", False, "List the released configurations with a line each, and exit.")

    def parse(self, arguments: Any) -> None:
        if self._parse(arguments):
            print(text())
            sys.exit(0)


def text() -> str:
    """A line for each of `table.CONFIG_TABLE`, under its file."""
    width = max(len(name) for name in table.CONFIG_TABLE)
    lines, file_before = [], ""
    for name, (file, variant) in table.CONFIG_TABLE.items():
        if file != file_before:
            lines.append(f"{file}:")
        lines.append(f"  {name:<{width}}  {describe(load.load(f'{file}:{variant}'))}")
        file_before = file
    return "\n".join([*lines, "", "--config_name=NAME chooses one; --config=experiments/template.py begins your own"])


def describe(config: schema.ConfigDict) -> str:
    """The model, what is trained and on what, or that it is for serving."""
    model = _MODELS[config.model.type]
    if config.model.language.width < 2048:
        model = f"small {model}"
    robot, dataset = config.data.robot.name, _dataset(config.data)
    if not dataset:
        return f"{model} for {robot}: serves {_prompt(config.data)}; is not trained"
    steps = f"{config.num_train_steps:,} steps of {config.batch_size}"
    return f"{model} for {robot}: {_training(config)} on {dataset}, {steps}"


def _training(config: schema.ConfigDict) -> str:
    what = "adapters (LoRA)" if config.freeze else "all parameters"
    if config.weights.kind == "none":
        return f"{what} from scratch"
    base = config.weights.path.removesuffix("/params")
    return f"{what} from {base.rpartition('/')[2] if '://' in base else base}"


def _dataset(data: schema.ConfigDict) -> str:
    if data.kind == "fake":
        return "random inputs"
    if data.kind == "droid_rlds":
        return " and ".join(entry["name"] for entry in data.rlds.datasets)
    return data.repo_id


def _prompt(data: schema.ConfigDict) -> str:
    return f"{data.default_prompt!r}" if data.default_prompt else "any prompt"
