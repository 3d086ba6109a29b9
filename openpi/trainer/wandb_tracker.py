"""Metrics and pictures in Weights & Biases: sent as they come ("online"), or kept in the run's folder for `wandb sync` ("offline")."""

import os
import pathlib
import secrets
from collections.abc import Mapping
from typing import Any

_ID_FILE = "wandb_id.txt"


class WandbTracker:
    """A run of the run's name, which a resumed training goes on with.

    Args:
      directory: the run; it exists. Its files are in `<directory>/wandb`, its id in `<directory>/wandb_id.txt`.
      mode: "online" or "offline".
      project: where it is listed.
      name: of the run.
      config: shown with it.

    Raises:
      OSError: the server cannot be reached.
    """

    def __init__(
        self, directory: pathlib.Path, *, mode: str, project: str, name: str, config: Mapping[str, Any]
    ) -> None:
        self._wandb = wandb = _load()
        id_file = directory / _ID_FILE
        known = id_file.is_file()
        run_id = id_file.read_text(encoding="utf-8").strip() if known else secrets.token_hex(4)
        settings = wandb.Settings(silent=True, console="off", disable_git=True, save_code=False)
        resume = "allow" if known and mode == "online" else None
        try:
            self._run = wandb.init(
                project=project,
                name=name,
                id=run_id,
                resume=resume,
                dir=str(directory),
                mode=mode,
                config=dict(config),
                settings=settings,
            )
        except wandb.errors.CommError as error:
            raise OSError(
                f"config.wandb.mode={mode!r}: {error}; without a network, set --config.wandb.mode=offline"
            ) from error
        id_file.write_text(f"{run_id}\n", encoding="utf-8")

    def metrics(self, step: int, metrics: Mapping[str, float]) -> None:
        """Adds finite values. Steps that were sent before a break stay as they are."""
        self._run.log(dict(metrics), step=step)

    def picture(self, step: int, name: str, path: pathlib.Path) -> None:
        """Adds a PNG file."""
        self._run.log({name: self._wandb.Image(str(path))}, step=step)

    def close(self) -> None:
        """Returns when all is on disk, or sent."""
        self._run.finish()
        self._wandb.teardown()


def check_login() -> None:
    """Raises ValueError if nobody is logged in; on a terminal, asks for it first."""
    wandb = _load()
    try:
        wandb.login()
    except wandb.errors.UsageError as error:
        raise ValueError(
            f"config.wandb.mode='online': {error} (or set WANDB_API_KEY, or --config.wandb.mode=offline)"
        ) from error


def _load() -> Any:
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # else it calls home, offline too
    import wandb  # here: it takes seconds, and few want it

    return wandb
