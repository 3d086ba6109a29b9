"""A training step that leaves the state as it is when the batch is bad."""

from typing import Protocol

import jax
import jax.numpy as jnp

from openpi.trainer import state as state_lib
from openpi.trainer import train_step


class GuardedStep(Protocol):
    """A `train_step.TrainStep` that may be told, as float32 [2], which loss and grad_norm are too much."""

    def __call__(
        self, state: state_lib.TrainState, rng: jax.Array, batch: train_step.Batch, limits: jax.Array | None = None
    ) -> tuple[state_lib.TrainState, dict[str, jax.Array]]: ...


def make(step: train_step.TrainStep) -> GuardedStep:
    """Wraps a step: where its loss or gradients are not finite or beyond the limits, the update is not applied.

    The result is then the old state, bit by bit, but for `step`, which counts on: the next step draws other numbers. The
    metrics gain `skipped`, 1 or 0.
    """

    def guarded(state, rng, batch, limits=None):
        new, metrics = step(state, rng, batch)
        seen = jnp.stack([metrics["loss"], metrics["grad_norm"]])
        good = jnp.isfinite(seen).all()
        if limits is not None:
            good &= (seen <= limits).all()
        kept = jax.tree.map(lambda after, before: jnp.where(good, after, before), new, state.replace(step=new.step))
        return kept, metrics | {"skipped": 1.0 - good.astype(jnp.float32)}

    return guarded
