"""Gemma as pi0-FAST runs it: one expert that reads embedded tokens and writes text, with a cache of fixed size.

The layers are those of `gemma.Gemma` with a single expert; queries stay in float32 after the rotary embedding, keys and
values are in the compute dtype. `params` are the parameters of the language model alone (`PaliGemma/llm`).
"""

from typing import Any, TypeAlias

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from openpi.models import gemma

Params: TypeAlias = dict[str, Any]


@flax.struct.dataclass
class Cache:
    """Keys (already rotated) and values of the tokens so far, in the first `index` of S slots."""

    k: Float[Array, "depth B S K H"]
    v: Float[Array, "depth B S K H"]
    index: Int[Array, ""]  # the slot of the next token, the same for all rows


def build(language: gemma.GemmaConfig, vocab_size: int, dtype: Any, remat: str) -> gemma.Gemma:
    """The network; embed tokens with its method `embed`."""
    return gemma.Gemma((language,), vocab_size, dtype, remat, float32_queries=True)


def encode(
    model: gemma.Gemma,
    params: Params,
    embedded: Float[Array, "B T D"],
    positions: Int[Array, "B T"],
    mask: Bool[Array, "B T T"],
) -> Float[Array, "B T D"]:
    """What `logits` makes the next token's logits from, for every token at once."""
    (out,), _ = model.apply({"params": params}, [embedded], positions, mask)
    return out


def prefill(
    model: gemma.Gemma,
    params: Params,
    embedded: Float[Array, "B T D"],
    positions: Int[Array, "B T"],
    mask: Bool[Array, "B T T"],
    free_slots: int,
) -> tuple[Float[Array, "B T D"], Cache]:
    """As `encode`, and the cache of these T tokens with room for `free_slots` more.

    The free slots (zeros) take part in the attention as masked keys: no difference, but for a token that may see
    nothing and so averages over all slots. The published models have such tokens, and decode with them.
    """
    config = model.configs[0]
    batch, length, _ = embedded.shape
    shape = (config.depth, batch, free_slots, config.num_kv_heads, config.head_dim)
    free = jnp.zeros(shape, model.dtype)
    mask = jnp.concatenate([jnp.zeros((batch, length, free_slots), bool), mask], axis=-1)
    (out,), (k, v) = model.apply({"params": params}, [embedded], positions, mask, kv_cache=(free, free))
    k, v = (jnp.pad(own, ((0, 0), (0, 0), (0, free_slots), (0, 0), (0, 0))) for own in (k, v))
    return out, Cache(k, v, jnp.int32(length))


def step(
    model: gemma.Gemma,
    params: Params,
    embedded: Float[Array, "B 1 D"],
    positions: Int[Array, "B 1"],
    mask: Bool[Array, "B S"],
    cache: Cache,
) -> tuple[Float[Array, "B 1 D"], Cache]:
    """One more token of each row. It sees itself and the filled slots that `mask` allows; the cache must have room.

    The layers read the cache where it lies; the new keys and values of all layers are then written in one go.
    """
    filled = jnp.arange(mask.shape[1]) < cache.index
    mask = jnp.pad(mask & filled, ((0, 0), (0, 1)), constant_values=True)
    (out,), (k, v) = model.apply({"params": params}, [embedded], positions, mask[:, None], kv_cache=(cache.k, cache.v))
    k, v = (
        jax.lax.dynamic_update_slice_in_dim(slots, own, cache.index, axis=2)
        for slots, own in ((cache.k, k), (cache.v, v))
    )
    return out, Cache(k, v, cache.index + 1)


def logits(params: Params, encoded: Float[Array, "B T D"]) -> Float[Array, "B T V"]:
    """Logits of the next token from the embedding table, in the promoted dtype of both."""
    return encoded @ params["embedder"]["input_embedding"].T
