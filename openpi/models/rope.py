"""Rotary position embedding (Su et al. 2021), halves paired as in Gemma."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

MAX_WAVELENGTH = 10_000


def apply_rope(x: Float[Array, "B T N H"], positions: Int[Array, "B T"]) -> Float[Array, "B T N H"]:
    """Rotates each pair `(x[j], x[j + H/2])` by `position / 10000^(2j/H)`; float32 inside, x's dtype outside."""
    exponents = (2.0 / x.shape[-1]) * jnp.arange(x.shape[-1] // 2, dtype=jnp.float32)
    angle = positions[..., None, None] / MAX_WAVELENGTH**exponents  # [B, T, 1, H/2]
    sin, cos = jnp.sin(angle), jnp.cos(angle)
    x1, x2 = jnp.split(x, 2, axis=-1)
    return jnp.concatenate([x1 * cos - x2 * sin, x2 * cos + x1 * sin], axis=-1).astype(x.dtype)
