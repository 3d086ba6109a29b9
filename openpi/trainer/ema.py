"""Exponential moving average of parameters."""

from typing import Any

import jax
import jax.numpy as jnp


def update(average: Any, params: Any, decay: float) -> Any:
    """`decay * average + (1 - decay) * params`, leaf by leaf, frozen leaves included; no warm-up, no bias correction.

    It is computed in float32 and stored in the average's dtype: a frozen bfloat16 leaf stays exactly as it is.
    """

    def leaf(old: jax.Array, new: jax.Array) -> jax.Array:
        mean = decay * old.astype(jnp.float32) + (1 - decay) * new.astype(jnp.float32)
        return mean.astype(old.dtype)

    return jax.tree.map(leaf, average, params)
