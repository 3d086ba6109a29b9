"""Moves padding from the end of sequences to their front."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def right_align(
    x: Float[Array, "B S D"], input_mask: Bool[Array, "B S"], attn_mask: Bool[Array, "B S S"]
) -> tuple[Float[Array, "B S D"], Bool[Array, "B S"], Bool[Array, "B S S"]]:
    """Rolls each sequence so that its last token (the last True of `input_mask`) comes to the last place.

    Padding within a sequence keeps its place among the tokens. Both axes of `attn_mask` are rolled along.
    """
    length = jnp.max(input_mask * jnp.arange(input_mask.shape[1]), axis=1) + 1

    def roll(row, mask, attends, length):
        return jnp.roll(row, -length, axis=0), jnp.roll(mask, -length), jnp.roll(attends, (-length, -length), (0, 1))

    return jax.vmap(roll)(x, input_mask, attn_mask, length)
