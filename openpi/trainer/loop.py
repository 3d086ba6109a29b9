"""The training loop: steps, metrics, checkpoints, and an orderly end."""

import collections
import dataclasses
import math
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import jax
import numpy as np

from openpi.trainer import metrics_writer, progress, stop_signal, train_step
from openpi.trainer import state as state_lib

_RUN_AHEAD = 2  # steps the host may be ahead of the device: enough to keep it busy, few batches in memory


class Batches(Protocol):
    """An endless iterator of batches on the device which knows where it stands."""

    def __next__(self) -> train_step.Batch:
        """The next batch."""

    def get_state(self) -> Any:
        """From where an iterator would go on with the batch after the last that `__next__` gave."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """When things happen. Steps count from 0; the last is `num_train_steps - 1`.

    Attributes:
      num_train_steps: one more than the last step.
      log_interval: steps between logs.
      save_interval: steps between checkpoints.
      step_seconds_at_peak: what a step's arithmetic would take at best, for the metric `mfu`; None where it is not known.
    """

    num_train_steps: int
    log_interval: int
    save_interval: int
    step_seconds_at_peak: float | None = None


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How training ended.

    Attributes:
      state: the state after the last step.
      last_step: that step; its checkpoint was handed to `save`. One less than the first if there was nothing to do.
      exit_code: 0 when all steps are done; else as a shell reports the signal that stopped it.
    """

    state: state_lib.TrainState
    last_step: int
    exit_code: int


def train(
    step_fn: train_step.TrainStep,
    state: state_lib.TrainState,
    rng: jax.Array,
    batches: Batches,
    plan: Plan,
    *,
    stop: stop_signal.StopSignal,
    save: Callable[[int, state_lib.TrainState, Any], None],
    writer: metrics_writer.MetricsWriter,
) -> Outcome:
    """Runs the steps from `state.step` to the plan's end, or until `stop`.

    Args:
      step_fn: from `train_step.make`, jitted; may donate the state.
      state: where to begin; not usable afterwards if `step_fn` donates it.
      rng: the same for every step and every resumed run.
      batches: the first batch is that of step `state.step`.
      plan: how long, and when to log and save.
      stop: once it has received a signal, the step is finished and saved, and training ends.
      save: called with a step, the state after it, and the position of `batches` after it, every `save_interval` steps
        and after the last step. Returns as soon as the state may be donated.
      writer: gets averages over the steps since the last log.

    Raises:
      RuntimeError: loss or gradients are no longer finite; such a state is never saved.
    """
    start, final = int(state.step), plan.num_train_steps - 1
    step = start - 1
    collected, in_flight = [], collections.deque()
    with progress.Progress(start, plan.num_train_steps) as shown:
        for step in range(start, plan.num_train_steps):
            began = time.monotonic()
            batch = next(batches)
            waited = time.monotonic() - began
            state, metrics = step_fn(state, rng, batch)
            collected.append(metrics)
            in_flight.append(metrics)
            if len(in_flight) > _RUN_AHEAD:
                jax.block_until_ready(in_flight.popleft())
            shown.step_done(data_wait=waited)
            stopping = bool(stop.received)
            last = stopping or step == final
            if last or step % plan.log_interval == 0:
                averages = _averages(collected)
                collected.clear()
                rates = shown.report(step, averages, plan.step_seconds_at_peak)
                writer.write(step, averages | rates)
                _check_finite(averages, step)
            if last or (step % plan.save_interval == 0 and step > start):
                _check_finite(metrics, step)
                save(step, state, batches.get_state())
            if stopping:
                break
    return Outcome(state, step, stop.exit_code if step < final else 0)


def _averages(collected: list[dict[str, jax.Array]]) -> dict[str, float]:
    values = jax.device_get(collected)
    names = sorted(values[0], key=lambda name: (name != "loss", name))
    return {name: float(np.mean([entry[name] for entry in values])) for name in names}


def _check_finite(metrics: Mapping[str, float | jax.Array], step: int) -> None:
    for name in ("loss", "grad_norm"):
        if not math.isfinite(metrics[name]):
            raise RuntimeError(
                f"{name} is {float(metrics[name])} at step {step}; nothing was saved since; "
                "lower --config.lr_schedule.peak_lr or look for wild values in the data"
            )
