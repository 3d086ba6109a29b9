"""All that changes from step to step, as one pytree."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax
from flax import traverse_util

Params = dict[str, Any]


@flax.struct.dataclass
class TrainState:
    """The state after `step` steps.

    Attributes:
      step: int32 scalar, the number of steps done.
      params: nested dict; leaves that are trained, and frozen ones in bfloat16.
      opt_state: the optimizer's state over the trained leaves alone.
      ema_params: moving average of all of `params`, or None.
    """

    step: jax.Array
    params: Params
    opt_state: optax.OptState
    ema_params: Params | None


def create(params: Params, optimizer: optax.GradientTransformation, *, frozen: str, ema: bool) -> TrainState:
    """The state before the first step. Pure, so that it can run under `jax.jit` and `jax.eval_shape`.

    Args:
      params: nested dict of float32 arrays.
      optimizer: made for the trained part of `params`.
      frozen: regular expression; leaves whose whole path matches are not trained and are cast to bfloat16.
        "" freezes nothing.
      ema: keep a moving average; it starts as a copy of `params`.
    """
    trained, fixed = split(params, frozen)
    fixed = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), fixed)
    params = join(trained, fixed)
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        params=params,
        opt_state=optimizer.init(trained),
        ema_params=jax.tree.map(jnp.copy, params) if ema else None,
    )


def initialize(
    init: Callable[[jax.Array], Params],
    rng: jax.Array,
    loaded: Params,
    optimizer: optax.GradientTransformation,
    *,
    frozen: str,
    ema: bool,
) -> TrainState:
    """As `create`, with the parameters of `init(rng)` in which `loaded` (a part of that tree, maybe empty) replaces its leaves."""
    flat = traverse_util.flatten_dict(init(rng))
    for path, leaf in traverse_util.flatten_dict(loaded).items():
        flat[path] = leaf
    return create(traverse_util.unflatten_dict(flat), optimizer, frozen=frozen, ema=ema)


def split(params: Mapping[str, Any], frozen: str) -> tuple[Params, Params]:
    """`params` in two: the trained leaves, and those whose "/"-joined path fully matches `frozen`."""
    trained, fixed = {}, {}
    for path, leaf in traverse_util.flatten_dict(params).items():
        (fixed if frozen and re.fullmatch(frozen, "/".join(path)) else trained)[path] = leaf
    return traverse_util.unflatten_dict(trained), traverse_util.unflatten_dict(fixed)


def join(trained: Mapping[str, Any], fixed: Mapping[str, Any]) -> Params:
    """The inverse of `split`, in `split`'s order of keys or another: dicts are equal as pytrees."""
    flat = {**traverse_util.flatten_dict(trained), **traverse_util.flatten_dict(fixed)}
    return traverse_util.unflatten_dict(flat)


def to_items(state: TrainState) -> tuple[Params, dict[str, Any]]:
    """The state as a checkpoint's two items: `params`, which are for inference (the average if there is one), and the rest."""
    train_state = {"step": state.step, "opt_state": state.opt_state}
    if state.ema_params is None:
        return state.params, train_state | {"params": {}}
    return state.ema_params, train_state | {"params": state.params}


def from_items(params: Params, train_state: Mapping[str, Any]) -> TrainState:
    """The inverse of `to_items`."""
    ema = bool(train_state["params"])
    return TrainState(
        step=train_state["step"],
        params=train_state["params"] if ema else params,
        opt_state=train_state["opt_state"],
        ema_params=params if ema else None,
    )
