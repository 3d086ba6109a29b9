"""Attention masks from padding and block structure."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Int


def make_attn_mask(
    input_mask: Bool[Array, "B S"], ar_mask: Bool[Array, "*B S"] | Int[Array, "*B S"]
) -> Bool[Array, "B S S"]:
    """Which position (second axis) may look at which (last axis).

    Args:
        input_mask: True where a position holds a token, False where it is padding.
        ar_mask: True (1) where a new block begins, with or without the batch axis. A position sees its own block and
            all earlier ones: all zeros is full attention, all ones is causal, ones only at some places is a prefix
            language model.

    Returns:
        True where attention is allowed. Padding neither looks nor is looked at.
    """
    block = jnp.cumsum(jnp.broadcast_to(ar_mask, input_mask.shape), axis=1)
    return (block[:, None, :] <= block[:, :, None]) & input_mask[:, None, :] & input_mask[:, :, None]
