"""Low-rank adapters added into the weights they adapt."""

from collections.abc import Mapping

import jax.numpy as jnp
from jaxtyping import Array, Float

from openpi.models import lora as lora_lib

Weights = Mapping[str, Float[Array, "..."]]


def einsum_weight(
    weights: Weights, lora: lora_lib.LoraConfig | None, *, sums_heads: bool = False
) -> Float[Array, "..."]:
    """The weight `w` of a `lora.Einsum` (or a stack of them) with its adapter, float32 if it has one.

    Args:
      weights: `w` [..., P, Q], with an adapter `lora_a` [..., P, R] and `lora_b` [..., R, Q].
      lora: size and strength of the adapter; None for a plain weight.
      sums_heads: of the output projection [..., N, H, D], whose adapter sums over the heads N in both factors.
    """
    if lora is None:
        return weights["w"]
    a, b = (weights[name].astype(jnp.float32) for name in ("lora_a", "lora_b"))
    if sums_heads:
        b = jnp.sum(b, axis=-3, keepdims=True)
    return weights["w"].astype(jnp.float32) + (a @ b) * lora.scaling


def feed_forward_weight(weights: Weights, name: str, lora: lora_lib.LoraConfig | None) -> Float[Array, "..."]:
    """A weight of a `lora.FeedForward` (or a stack of them) with its adapter, which has no scaling value there."""
    if lora is None:
        return weights[name]
    a, b = (weights[f"{name}_lora_{factor}"].astype(jnp.float32) for factor in "ab")
    return weights[name].astype(jnp.float32) + a @ b
