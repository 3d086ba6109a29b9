"""Model, optimizer, state and step as a configuration describes them: functions and shapes. Nothing is read or computed."""

import dataclasses
import functools
import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import traverse_util

from openpi.config import build_model, schema
from openpi.data import collate
from openpi.models import model as model_lib
from openpi.models import observation
from openpi.trainer import build_optimizer, flops, guard, sharding, train_step
from openpi.trainer import state as state_lib


@dataclasses.dataclass(frozen=True)
class Setup:
    """What training is made of.

    Attributes:
      mesh: the devices.
      model: the network's configuration.
      frozen: regular expression of the paths that are not trained.
      optimizer: of the trained leaves.
      fresh: `rng -> parameters`, random ones; pure.
      initialize: `(rng, loaded) -> TrainState`; pure. `loaded` is a part of the parameters, maybe empty.
      gradients: `(params, rng, batch) -> (loss, gradients)`, the first half of `step`.
      step: `(state, rng, batch) -> (state, metrics)`; pure, see `jit_step`. Where bad updates are skipped, it takes limits too.
      operations: `() -> int`, the arithmetic of a step; it traces the model.
    """

    mesh: jax.sharding.Mesh
    model: model_lib.Config
    frozen: str
    optimizer: optax.GradientTransformation
    fresh: Callable[[jax.Array], state_lib.Params]
    initialize: Callable[[jax.Array, state_lib.Params], state_lib.TrainState]
    gradients: train_step.Gradients
    step: train_step.TrainStep | guard.GuardedStep
    operations: Callable[[], int]


def build(config: schema.ConfigDict, mesh: jax.sharding.Mesh) -> Setup:
    """Puts the parts together.

    Raises:
      ValueError: a field cannot work.
    """
    _check_freeze(config.freeze)
    model = build_model.build(config.model)
    optimizer = build_optimizer.build(config)
    fresh = functools.partial(model_lib.init, model)
    loss_fn = functools.partial(_loss, model, config.noise_draws)
    in_parts = {"frozen": config.freeze, "accumulation_steps": config.accumulation_steps}
    step = train_step.make(loss_fn, optimizer, ema_decay=config.ema_decay, **in_parts)
    return Setup(
        mesh=mesh,
        model=model,
        frozen=config.freeze,
        optimizer=optimizer,
        fresh=fresh,
        initialize=functools.partial(
            state_lib.initialize, fresh, optimizer=optimizer, frozen=config.freeze, ema=config.ema_decay > 0
        ),
        gradients=train_step.gradients(loss_fn, **in_parts),
        step=guard.make(step) if config.on_divergence == "skip" else step,
        operations=functools.partial(
            flops.of_step, model, batch_size=config.batch_size, frozen=config.freeze, num_draws=config.noise_draws
        ),
    )


def rngs(seed: int) -> tuple[jax.Array, jax.Array]:
    """The keys of the steps, and of the initial parameters."""
    train_rng, init_rng = jax.random.split(jax.random.key(seed))
    return train_rng, init_rng


def abstract_state(parts: Setup) -> state_lib.TrainState:
    """The state's shapes, dtypes and shardings.

    Raises:
      ValueError: `config.freeze` matches no parameter, or all of them.
    """
    shapes = jax.eval_shape(parts.initialize, jax.random.key(0), {})
    trained, fixed = (jax.tree.leaves(part) for part in state_lib.split(shapes.params, parts.frozen))
    if not trained:
        raise ValueError(f"config.freeze={parts.frozen!r} matches every parameter: nothing is left to train")
    if parts.frozen and not fixed:
        path = next(iter(traverse_util.flatten_dict(shapes.params, sep="/")))
        raise ValueError(
            f"config.freeze={parts.frozen!r} matches none of the {len(trained)} parameters; it must match whole paths such as "
            f"{path!r}, and '' freezes nothing"
        )
    return jax.tree.map(
        lambda leaf, placed: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=placed),
        shapes,
        sharding.state(parts.mesh, shapes),
    )


def abstract_batch(parts: Setup, sample: Any, batch_size: int) -> Any:
    """Shapes, dtypes and shardings of a batch on the devices, from one sample as the model's transforms make it."""
    one = jax.eval_shape(lambda tree: tree, collate.collate([sample], 1))
    placed = sharding.data(parts.mesh)
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct((batch_size, *leaf.shape[1:]), leaf.dtype, sharding=placed), one
    )


def init_state(parts: Setup, state: state_lib.TrainState, rng: jax.Array, loaded: state_lib.Params):
    """The state before the first step, on the devices.

    Args:
      parts: from `build`.
      state: from `abstract_state`.
      rng: of the parameters.
      loaded: those that are not drawn at random; a part of the tree, maybe empty.
    """
    trained, fixed = state_lib.split(loaded, parts.frozen)
    fixed = jax.tree.map(lambda leaf: np.asarray(leaf, jnp.bfloat16), fixed)  # as the state has them: half the memory
    return jax.jit(parts.initialize, out_shardings=_shardings(state))(rng, state_lib.join(trained, fixed))


def replicate(parts: Setup, value: np.ndarray) -> jax.Array:
    """The value on every device, of every process."""
    placed = sharding.replicated(parts.mesh)
    return jax.make_array_from_callback(value.shape, placed, lambda index: value[index])


def jit_step(parts: Setup, state: state_lib.TrainState):
    """The step as a jitted function which takes over the state's memory; lower it with abstract arguments, or call it.

    Args:
      parts: from `build`.
      state: from `abstract_state`.
    """
    return jax.jit(parts.step, donate_argnums=0, out_shardings=(_shardings(state), sharding.replicated(parts.mesh)))


def jit_gradients(parts: Setup, state: state_lib.TrainState):
    """`parts.gradients` as a jitted function, whose gradients are split over the devices as the parameters are.

    Args:
      parts: from `build`.
      state: from `abstract_state`.
    """
    trained, _ = state_lib.split(state.params, parts.frozen)
    return jax.jit(parts.gradients, out_shardings=(sharding.replicated(parts.mesh), _shardings(trained)))


def _loss(model: model_lib.Config, num_draws: int, params, rng, batch, part):
    seen = observation.Observation.from_dict(batch)  # in the compiled program: images travel as uint8
    return model_lib.compute_loss(
        model, params, rng, seen, batch["actions"], train=True, num_draws=num_draws, part=part
    )


def _shardings(state: Any):
    return jax.tree.map(lambda leaf: leaf.sharding, state)


def _check_freeze(pattern: str) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"config.freeze={pattern!r} is not a regular expression: {error}") from error
