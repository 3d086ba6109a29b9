"""One step of training: a pure function of state, rng and batch."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import traverse_util
from jaxtyping import Array, Float

from openpi.models import microbatch
from openpi.trainer import ema as ema_lib
from openpi.trainer import state as state_lib

Batch = Any
# (params, rng, batch, part) -> loss of every element; only its mean counts. The batch is this part of a larger one.
LossFn = Callable[[state_lib.Params, jax.Array, Batch, microbatch.Microbatch], Float[Array, "..."]]
TrainStep = Callable[[state_lib.TrainState, jax.Array, Batch], tuple[state_lib.TrainState, dict[str, jax.Array]]]
# (params, rng, batch) -> (loss, gradients of the trained leaves)
Gradients = Callable[[state_lib.Params, jax.Array, Batch], tuple[Float[Array, ""], state_lib.Params]]

_NOT_KERNELS = re.compile(r".*/(bias|scale|pos_embedding|input_embedding)")


def make(
    loss_fn: LossFn,
    optimizer: optax.GradientTransformation,
    *,
    frozen: str = "",
    ema_decay: float = 0.0,
    accumulation_steps: int = 1,
) -> TrainStep:
    """The step function; jit it with the state donated.

    Args:
      loss_fn: called with the step's own key (`fold_in(rng, state.step)`), which it consumes; the same key for every
        part of a batch.
      optimizer: as for `state.create`.
      frozen: as for `state.create`; such leaves get no gradient.
      ema_decay: of the moving average; unused when `state.ema_params` is None.
      accumulation_steps: parts that the batch goes through `loss_fn` in, one after the other: memory of one part, and
        gradients, metrics and update of the whole batch, up to the rounding of sums.

    Returns:
      `(state, rng, batch) -> (state, metrics)`. The same rng goes to every step. Metrics are float32 scalars: `loss`;
      `grad_norm`, the global norm of the gradients before clipping; `param_norm`, that of the new kernels.
    """

    loss_and_gradients = gradients(loss_fn, frozen=frozen, accumulation_steps=accumulation_steps)

    def train_step(state, rng, batch):
        trained, fixed = state_lib.split(state.params, frozen)
        loss, grads = loss_and_gradients(state.params, jax.random.fold_in(rng, state.step), batch)
        updates, opt_state = optimizer.update(grads, state.opt_state, trained)
        params = state_lib.join(optax.apply_updates(trained, updates), fixed)
        average = state.ema_params
        if average is not None:
            average = ema_lib.update(average, params, ema_decay)
        metrics = {"loss": loss, "grad_norm": optax.tree.norm(grads), "param_norm": kernel_norm(params)}
        return state_lib.TrainState(state.step + 1, params, opt_state, average), metrics

    return train_step


def gradients(loss_fn: LossFn, *, frozen: str = "", accumulation_steps: int = 1) -> Gradients:
    """The first half of a step, which takes most of its time and memory: all but the optimizer's update.

    Args:
      loss_fn, frozen, accumulation_steps: as for `make`.

    Returns:
      `(params, rng, batch) -> (loss, gradients)`; rng is the step's own key.
    """

    def loss_and_gradients(params, rng, batch):
        trained, fixed = state_lib.split(params, frozen)

        def mean_loss(trained, part):
            return jnp.mean(loss_fn(state_lib.join(trained, fixed), rng, jax.tree.map(part.of, batch), part))

        return _mean_over_parts(jax.value_and_grad(mean_loss), trained, accumulation_steps)

    return loss_and_gradients


def _mean_over_parts(loss_and_gradients, trained: state_lib.Params, count: int):
    """Loss and gradients of the whole batch, summed in float32."""
    if count == 1:
        return loss_and_gradients(trained, microbatch.WHOLE)

    def add(sums, index):
        new = loss_and_gradients(trained, microbatch.Microbatch(index, count))
        return jax.tree.map(lambda total, leaf: total + leaf.astype(jnp.float32), sums, new), None

    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, jnp.float32), (jnp.float32(0), trained))
    (loss, gradients), _ = jax.lax.scan(add, zeros, jnp.arange(count))
    return loss / count, jax.tree.map(lambda total, leaf: (total / count).astype(leaf.dtype), gradients, trained)


def kernel_norm(params: Mapping[str, Any]) -> Float[Array, ""]:
    """Global norm of the leaves with two axes or more that are not biases, scales or embeddings."""
    flat = traverse_util.flatten_dict(params, sep="/")
    return optax.tree.norm([leaf for path, leaf in flat.items() if leaf.ndim > 1 and not _NOT_KERNELS.fullmatch(path)])
