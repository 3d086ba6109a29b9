"""Compiles the training step, once: the program is kept on disk, and a later start finds it there."""

import logging
import time

import jax
import jax.numpy as jnp

from openpi.trainer import setup, sharding
from openpi.trainer import state as state_lib

_LOGGER = logging.getLogger("openpi")


def compile_step(
    parts: setup.Setup, state: state_lib.TrainState, rng: jax.Array, batch, *, limited: bool = False
) -> jax.stages.Compiled:
    """The training step, compiled for these shapes alone.

    Args:
      parts: from `setup.build`.
      state: from `setup.abstract_state`.
      rng: that of the steps.
      batch: from `setup.abstract_batch`.
      limited: it takes limits, see `guard`.
    """
    for path, leaf in jax.tree_util.tree_leaves_with_path(batch):
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        _LOGGER.info("batch %s %s%s", name, leaf.dtype, list(leaf.shape))
    sizes = [sum(leaf.size for leaf in jax.tree.leaves(part)) for part in state_lib.split(state.params, parts.frozen)]
    _LOGGER.info("%.3f M parameters to train, %.3f M frozen; compiling the step", *(size / 1e6 for size in sizes))
    began = time.monotonic()
    limits = jax.ShapeDtypeStruct((2,), jnp.float32, sharding=sharding.replicated(parts.mesh))
    compiled = setup.jit_step(parts, state).lower(state, rng, batch, *[limits] * limited).compile()
    _LOGGER.info("compiled in %.1f s", time.monotonic() - began)
    return compiled
