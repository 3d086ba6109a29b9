"""Where metrics and pictures of a training go beside `metrics.jsonl`, by name."""

import pathlib
from collections.abc import Callable
from typing import Protocol

from openpi.config import schema
from openpi.trainer import metrics_writer, tensorboard_tracker, wandb_tracker


class _Open(Protocol):
    def __call__(self, config: schema.ConfigDict, directory: pathlib.Path, resume_step: int) -> metrics_writer.Tracker:
        """A tracker of the run in `directory`."""


def _tensorboard(config: schema.ConfigDict, directory: pathlib.Path, resume_step: int) -> metrics_writer.Tracker:
    return tensorboard_tracker.TensorboardTracker(directory, resume_step=resume_step)


def _wandb(config: schema.ConfigDict, directory: pathlib.Path, resume_step: int) -> metrics_writer.Tracker:
    return wandb_tracker.WandbTracker(
        directory,
        mode=config.wandb.mode,
        project=config.wandb.project,
        name=f"{config.name}/{config.exp_name}",
        config=config.to_dict(),
    )


# Name -> whether a configuration wants it, and how it is opened.
_TRACKERS: dict[str, tuple[Callable[[schema.ConfigDict], bool], _Open]] = {
    "tensorboard": (lambda config: True, _tensorboard),
    "wandb": (lambda config: config.wandb.mode != "off", _wandb),
}


def open_writer(
    config: schema.ConfigDict, directory: pathlib.Path, *, resume_step: int = 0
) -> metrics_writer.MetricsWriter:
    """A writer to all that a configuration wants.

    Raises:
      OSError: Weights & Biases is wanted and cannot be reached.
    """
    wanted = [start for wants, start in _TRACKERS.values() if wants(config)]
    return metrics_writer.MetricsWriter(
        directory, resume_step=resume_step, trackers=[start(config, directory, resume_step) for start in wanted]
    )


def check(config: schema.ConfigDict) -> None:
    """Raises ValueError if Weights & Biases is to be told and nobody is logged in: to be known before anything is computed."""
    if config.wandb.mode == "online":
        wandb_tracker.check_login()
