"""One step of training: a pure function of state, rng and batch."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import traverse_util
from jaxtyping import Array, Float

from openpi.trainer import ema as ema_lib
from openpi.trainer import state as state_lib

Batch = Any
# (params, rng, batch) -> loss of every element; only its mean counts.
LossFn = Callable[[state_lib.Params, jax.Array, Batch], Float[Array, "..."]]
TrainStep = Callable[[state_lib.TrainState, jax.Array, Batch], tuple[state_lib.TrainState, dict[str, jax.Array]]]

_NOT_KERNELS = re.compile(r".*/(bias|scale|pos_embedding|input_embedding)")


def make(
    loss_fn: LossFn, optimizer: optax.GradientTransformation, *, frozen: str = "", ema_decay: float = 0.0
) -> TrainStep:
    """The step function; jit it with the state donated.

    Args:
      loss_fn: called with the step's own key (`fold_in(rng, state.step)`), which it consumes.
      optimizer: as for `state.create`.
      frozen: as for `state.create`; such leaves get no gradient.
      ema_decay: of the moving average; unused when `state.ema_params` is None.

    Returns:
      `(state, rng, batch) -> (state, metrics)`. The same rng goes to every step. Metrics are float32 scalars: `loss`;
      `grad_norm`, the global norm of the gradients before clipping; `param_norm`, that of the new kernels.
    """

    def train_step(state, rng, batch):
        trained, fixed = state_lib.split(state.params, frozen)

        def mean_loss(trained):
            loss = loss_fn(state_lib.join(trained, fixed), jax.random.fold_in(rng, state.step), batch)
            return jnp.mean(loss)

        loss, gradients = jax.value_and_grad(mean_loss)(trained)
        updates, opt_state = optimizer.update(gradients, state.opt_state, trained)
        params = state_lib.join(optax.apply_updates(trained, updates), fixed)
        average = state.ema_params
        if average is not None:
            average = ema_lib.update(average, params, ema_decay)
        metrics = {"loss": loss, "grad_norm": optax.tree.norm(gradients), "param_norm": kernel_norm(params)}
        return state_lib.TrainState(state.step + 1, params, opt_state, average), metrics

    return train_step


def kernel_norm(params: Mapping[str, Any]) -> Float[Array, ""]:
    """Global norm of the leaves with two axes or more that are not biases, scales or embeddings."""
    flat = traverse_util.flatten_dict(params, sep="/")
    return optax.tree.norm([leaf for path, leaf in flat.items() if leaf.ndim > 1 and not _NOT_KERNELS.fullmatch(path)])
