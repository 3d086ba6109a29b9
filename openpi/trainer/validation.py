"""Validation: what a model in training makes of episodes that it does not learn from, every so many steps.

It has random numbers and frames of its own, the same each time: equal weights give equal figures, and training goes on as
if there were none.
"""

import dataclasses
import functools
import json
import logging
import pathlib
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from openpi.config import schema
from openpi.models import model as model_lib
from openpi.models import observation
from openpi.trainer import loop, open_loop, setup, sharding, validation_data, validation_report
from openpi.trainer import state as state_lib

_LOGGER = logging.getLogger("openpi")
_DRAWS = 4  # of noise and time for each frame's loss
_SEED = 0  # of noise, time and sampling
FOLDER = "validation"

# (params, a batch of frames, its number) -> loss of each frame [B], and its sampled actions [B, H, A] or tokens [B, T]
Evaluate = Callable[[state_lib.Params, Any, np.int32], tuple[jax.Array, jax.Array]]


@dataclasses.dataclass(frozen=True)
class Validation:
    """Frames and the compiled program that looks at them. Call it after a step.

    Attributes:
      road: of the held-out episodes.
      frames: those whose loss and actions are measured.
      rolls: episodes whose actions are drawn.
      evaluate: compiled for batches of `batch_size`.
      place: a batch, of which this process gives its part → on the devices.
      batch_size: of all processes together.
      interval: steps between validations.
      last_step: is validated too.
      folder: for files, written by process 0.
    """

    road: validation_data.HeldOut
    frames: validation_data.Frames
    rolls: tuple[open_loop.Roll, ...]
    evaluate: Evaluate
    place: Callable[[Any], Any]
    batch_size: int
    interval: int
    last_step: int
    folder: pathlib.Path

    def __call__(self, step: int, state: state_lib.TrainState) -> loop.Validated | None:
        """Looks at the weights after `step`, and at their average if there is one; all processes call it.

        Returns:
          Metrics, named `validation/WEIGHTS/METRIC`, and as score the loss of the weights that are served: the average's, if
          any. None for steps that are not validated.
        """
        if not ((step > 0 and step % self.interval == 0) or step == self.last_step):
            return None
        began = time.monotonic()
        weights = {"raw": state.params} | ({} if state.ema_params is None else {"ema": state.ema_params})
        reports = {name: self._report(params) for name, params in weights.items()}
        served = list(weights)[-1]
        rolled = [self.predict(weights[served], roll.frames)[1] for roll in self.rolls]  # by all processes together
        if jax.process_index() == 0:
            try:
                self._write(step, reports, rolled)
            except OSError as error:
                _LOGGER.warning("files of the validation after step %d: %s; training goes on", step, error)
        loss, error = reports[served].loss, reports[served].relative_error
        seconds = time.monotonic() - began
        _LOGGER.info(
            "validation after step %d: loss %.4f, relative action error %.3f (%.1f s)",
            step,
            loss.mean,
            error.mean,
            seconds,
        )
        metrics = {
            f"validation/{name}/{metric}": value
            for name, report in reports.items()
            for metric, value in report.metrics().items()
        }
        return loop.Validated(metrics, loss.mean)

    def predict(self, params: state_lib.Params, frames: validation_data.Frames) -> tuple[np.ndarray, np.ndarray]:
        """The loss [N], and sampled actions in the robot's units [N, H, A], of frames."""
        size, results = self.batch_size, []
        share = size // jax.process_count()
        mine = slice(jax.process_index() * share, (jax.process_index() + 1) * share)
        for number in range(-(-len(frames) // size)):
            rows = np.arange(number * size, (number + 1) * size)[mine] % len(frames)  # the last batch begins anew
            batch = self.place(jax.tree.map(lambda leaf, rows=rows: leaf[rows], frames.inputs))
            results.append(jax.device_get(self.evaluate(params, batch, np.int32(number))))
        losses, drawn = (np.concatenate(parts)[: len(frames)] for parts in zip(*results, strict=True))
        answers = [
            self.road.answer({"state": state, "actions": actions})["actions"]
            for state, actions in zip(frames.state, drawn, strict=True)
        ]
        return losses, np.stack(answers)

    def _report(self, params: state_lib.Params) -> validation_report.Report:
        losses, actions = self.predict(params, self.frames)
        frames = self.frames
        return validation_report.make(losses, actions, frames.recorded, frames.valid, frames.episode, self.road.names)

    def _write(self, step: int, reports: dict[str, validation_report.Report], rolled: list[np.ndarray]) -> None:
        self.folder.mkdir(exist_ok=True)
        for roll, actions in zip(self.rolls, rolled, strict=True):
            open_loop.draw(
                self.folder / f"{step}_episode_{roll.number}.png",
                open_loop.stitch(actions, roll.stride, roll.length),
                open_loop.stitch(roll.frames.recorded, roll.stride, roll.length),
                self.road.names,
                f"episode {roll.number}, which was not trained on, after step {step}",
                roll.stride,
            )
        places = np.unique(self.frames.episode).tolist()
        content = {
            "step": step,
            "frames": len(self.frames),
            "episodes": [validation_data.number(self.road.dataset, place) for place in places],
            "confidence": validation_report.CONFIDENCE,
            "weights": {name: report.to_json() for name, report in reports.items()},
        }
        path = self.folder / f"{step}.json"
        temporary = path.with_name(f".{path.name}.tmp")
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        temporary.replace(path)


def build(
    config: schema.ConfigDict,
    parts: setup.Setup,
    params: Any,
    road: validation_data.HeldOut,
    folder: pathlib.Path,
) -> Validation:
    """Reads the frames and compiles the program.

    Args:
      config: of the training.
      parts: from `setup.build`.
      params: shapes, dtypes and shardings of the parameters.
      road: of the held-out episodes.
      folder: of the run.

    Raises:
      ValueError: the held-out episodes cannot be read.
    """
    wanted, episodes = config.validation, road.dataset.episodes
    frames = validation_data.read(road, validation_data.spread(episodes, wanted.num_frames))
    places = np.unique(np.linspace(0, len(episodes.start) - 1, wanted.open_loop_episodes).round().astype(int))
    sample = jax.tree.map(lambda leaf: leaf[0], frames.inputs)
    batch = setup.abstract_batch(parts, sample, config.batch_size)
    everywhere = sharding.replicated(parts.mesh)
    evaluate = jax.jit(functools.partial(_evaluate, parts.model, config.sampling), out_shardings=everywhere)
    _LOGGER.info(
        "validation: %d frames of %d held-out episodes every %d steps",
        len(frames),
        len(np.unique(frames.episode)),
        wanted.interval,
    )
    return Validation(
        road=road,
        frames=frames,
        rolls=tuple(open_loop.read(road, int(place), config.sampling.replan_steps) for place in places),
        evaluate=evaluate.lower(params, batch, np.int32(0)).compile(),
        place=functools.partial(sharding.put_batch, parts.mesh),
        batch_size=config.batch_size,
        interval=wanted.interval,
        last_step=config.num_train_steps - 1,
        folder=folder / FOLDER,
    )


def _evaluate(
    model: model_lib.Config, sampling: schema.ConfigDict, params: state_lib.Params, batch: Any, number: jax.Array
) -> tuple[jax.Array, jax.Array]:
    loss_rng, sample_rng, noise_rng = jax.random.split(jax.random.fold_in(jax.random.key(_SEED), number), 3)
    learned = observation.Observation.from_dict(batch)
    loss = model_lib.compute_loss(model, params, loss_rng, learned, batch["actions"], num_draws=_DRAWS)
    asked = observation.Observation.from_dict(batch | batch["asked"])
    how: model_lib.TokenSampling | model_lib.FlowSampling
    if model_lib.is_autoregressive(model):
        how = model_lib.TokenSampling(jnp.float32(sampling.temperature), sampling.max_decoding_steps)
    else:
        noise = jax.random.normal(noise_rng, (len(loss), model.action_horizon, model.action_dim))
        how = model_lib.FlowSampling(jnp.int32(sampling.num_steps), noise, jnp.bool_(True))
    drawn = model_lib.sample(model, params, sample_rng, asked, how)
    return loss.reshape(len(loss), -1).mean(axis=1), drawn
