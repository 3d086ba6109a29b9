"""The training loop: steps, metrics, checkpoints, and an orderly end."""

import dataclasses
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol, TextIO

import jax
import numpy as np

from openpi.trainer import (
    divergence,
    guard,
    loop_memory,
    metrics_writer,
    progress,
    steps_in_flight,
    stop_signal,
    train_step,
)
from openpi.trainer import state as state_lib


class Batches(Protocol):
    """An endless iterator of batches on the device which knows where it stands."""

    def __next__(self) -> train_step.Batch:
        """The next batch."""

    def get_state(self) -> Any:
        """From where an iterator would go on with the batch after the last that `__next__` gave."""


class Validated(NamedTuple):
    """What a validation found: `metrics` to be written, and a `score`: the lower, the better the checkpoint."""

    metrics: Mapping[str, float]
    score: float


class Snapshot(NamedTuple):
    """What a checkpoint is made of: all after `step`.

    `position` is that of the batches; `score` is there if the step was validated.
    """

    step: int
    state: state_lib.TrainState
    position: Any
    memory: loop_memory.Memory
    score: float | None


@dataclasses.dataclass(frozen=True)
class Plan:
    """When things happen. Steps count from 0; the last is `num_train_steps - 1`.

    Attributes:
      num_train_steps: one more than the last step.
      log_interval: steps between logs.
      save_interval: steps between checkpoints.
      facts: what is known of the steps beforehand, for the log.
      policy: of divergence: what is too much, and what happens then.
    """

    num_train_steps: int
    log_interval: int
    save_interval: int
    facts: progress.Facts = progress.NO_FACTS
    policy: divergence.Policy = divergence.STOP


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
    step_fn: guard.GuardedStep | train_step.TrainStep,
    state: state_lib.TrainState,
    rng: jax.Array,
    batches: Batches,
    plan: Plan,
    *,
    stop: stop_signal.StopSignal,
    save: Callable[[Snapshot], None],
    writer: metrics_writer.MetricsWriter,
    memory: loop_memory.Memory = loop_memory.NOTHING,
    place_limits: Callable[[np.ndarray], jax.Array] | None = None,
    on_bad: Callable[[int, Any, str], str] = lambda step, position, reason: f"step {step}: {reason}",
    validate: Callable[[int, state_lib.TrainState], Validated | None] | None = None,
    stream: TextIO | None = None,
) -> Outcome:
    """Runs the steps from `state.step` to the plan's end, or until `stop`.

    Nothing is moved to the device or back unasked. Metrics come to the host when they are there, some steps later: only
    logs and saves wait for the device.

    Args:
      step_fn: from `train_step.make` or `guard.make`, jitted; may donate the state.
      state: where to begin; not usable afterwards if `step_fn` donates it.
      rng: the same for every step and every resumed run.
      batches: the first batch is that of step `state.step`.
      plan: how long, and when to log and save.
      stop: once it has received a signal, the step is finished and saved, and training ends.
      save: called every `save_interval` steps and after the last step. Returns as soon as the state may be donated.
      writer: gets averages over the steps since the last log. A step that `stop` makes the last logs only if it would anyway:
        the resumed run's log is that of a run without a break.
      memory: from the snapshot that `state` is of.
      place_limits: puts a step's limits where the step needs them; None: `step_fn` takes none.
      on_bad: called with a step that is not as it should be, the position of the batches after it, and what is wrong; returns
        what to tell.
      validate: called after every step; returns None where there is nothing to tell.
      stream: where progress is shown; None for standard error.

    Raises:
      RuntimeError: training diverged; such a state is never saved.
    """
    start, final = int(state.step), plan.num_train_steps - 1
    step = start - 1
    steps = steps_in_flight.Steps(plan.policy, memory, on_bad)
    with progress.Progress(start, plan.num_train_steps, stream, plan.facts) as shown:
        for step in range(start, plan.num_train_steps):
            limits = steps.detector.limits(step)
            placed = () if place_limits is None else (place_limits(np.asarray(limits, np.float32)),)
            with jax.transfer_guard("disallow"):
                began = time.monotonic()
                batch = next(batches)
                waited = time.monotonic() - began
                state, metrics = step_fn(state, rng, batch, *placed)
            steps.started(step, metrics, limits, batches.get_state())
            shown.step_done(data_wait=waited)
            validated = None
            if validate is not None:
                with shown.apart():
                    validated = validate(step, state)
            line: dict[str, float] = {}
            if step == final or step % plan.log_interval == 0:
                averages = steps.take_averages()
                line |= averages | shown.report(step, averages)
            if validated is not None:
                line |= validated.metrics
            if line:
                writer.write(step, line)
            stopping = stop.after(step)
            if stopping or step == final or (step % plan.save_interval == 0 and step > 0):
                score = None if validated is None else validated.score
                save(Snapshot(step, state, batches.get_state(), steps.memory(), score))
            if stopping:
                break
    return Outcome(state, step, stop.exit_code if step < final else 0)
