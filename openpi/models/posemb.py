"""Sine-cosine embeddings of a scalar (the flow's time) and of a grid of patches."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


def posemb_sincos(pos: Float[Array, " B"], dim: int, *, min_period: float, max_period: float) -> Float[Array, "B D"]:
    """Embeds scalars in sines, then cosines, whose periods run geometrically from `min_period` to `max_period`.

    Float32 throughout and in this order of operations: with short periods the rounding of the angle shows.
    Raises ValueError when `dim` is odd.
    """
    if dim % 2:
        raise ValueError(f"posemb_sincos: dim must be even, got {dim}")
    fraction = jnp.linspace(0.0, 1.0, dim // 2)
    period = min_period * (max_period / min_period) ** fraction
    angle = pos.astype(jnp.float32)[:, None] * (1.0 / period * 2 * jnp.pi)
    return jnp.concatenate([jnp.sin(angle), jnp.cos(angle)], axis=-1)


def posemb_sincos_2d(height: int, width: int, dim: int, *, temperature: float = 10_000.0) -> np.ndarray:
    """Embedding of a grid of patches, float32 [1, height * width, dim], rows first (MoCo v3, as in Big Vision).

    Four quarters: sine and cosine of the column, sine and cosine of the row.
    Raises ValueError when `dim` is not a multiple of 4 (and at least 8).
    """
    if dim % 4 or dim < 8:
        raise ValueError(f"posemb_sincos_2d: dim must be a multiple of 4 and at least 8, got {dim}")
    y, x = np.mgrid[:height, :width]
    omega = 1.0 / temperature ** (np.arange(dim // 4) / (dim // 4 - 1))
    y, x = (axis.flatten()[:, None] * omega[None, :] for axis in (y, x))
    return np.concatenate([np.sin(x), np.cos(x), np.sin(y), np.cos(y)], axis=1)[None].astype(np.float32)
