"""Sampling of pi0-FAST: what `pi0_fast.sample_actions` computes, from a plan.

Rows stay where they are, padding behind them, in a cache that has room for the tokens to come: all rows write those to the same
slots. What a row sees, and the positions at which it writes, are as in the plain model, which moves padding to the front.

Axis letters: `B` rows, `T` tokens read, `S` slots of the cache (the most of T, and as many as are to come), `D` width, `V`
vocabulary.
"""

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from openpi.engine import expert, fast_plan, image_tower
from openpi.models import attention_mask, pi0_fast, token_decoding
from openpi.models import observation as observation_lib


@flax.struct.dataclass
class Text:
    """What has been read and written so far."""

    cache: tuple[expert.KeysValues, ...]  # of each layer, [B, K, S, H]
    visible: Bool[Array, "B S"]  # which slots a row may see, once they are written
    slot: Int[Array, ""]  # the next to write
    shift: Int[Array, " B"]  # from a slot to the position of the token written there


def sample_tokens(
    config: pi0_fast.Pi0FastConfig,
    plan: fast_plan.Plan,
    observation: observation_lib.Observation,
    rng: Key[Array, ""],
    *,
    max_decoding_steps: int,
    temperature: float | Float[Array, ""],
) -> Int[Array, "B max_decoding_steps"]:
    """Tokens that stand for actions: each row up to and including its end of sequence (id 1), then zeros; int32.

    Args:
      config: of the model; static.
      plan: its weights.
      observation: see `read`.
      rng: consumed, one split a token.
      max_decoding_steps: most tokens per row; static.
      temperature: the likeliest token when not above zero, else drawn at this temperature; may be traced.
    """
    logits, text = read(config, plan, observation, max_decoding_steps)
    return decode(config, plan, logits, text, rng, max_decoding_steps=max_decoding_steps, temperature=temperature)


def read(
    config: pi0_fast.Pi0FastConfig,
    plan: fast_plan.Plan,
    observation: observation_lib.Observation,
    max_decoding_steps: int,
) -> tuple[Float[Array, "B V"], Text]:
    """Reads images and prompt: logits of the first token to write, and room for so many tokens.

    Args:
      config: of the model; static.
      plan: its weights.
      observation: batch of observations, whose text is the prompt. An image may be missing if it has a mask: it counts as black.
        Others have the model's resolution. The prompt may be cut behind its last token, if no row has a gap (`fast_present`):
        what is returned has the same shapes, so that one program for `decode` is enough.
      max_decoding_steps: most tokens per row; static.
    """
    x, mask, ar_mask = _embed(config, plan, observation)
    language, length = config.language, x.shape[1]
    slots = length - observation.tokenized_prompt.shape[1] + config.max_token_len + max_decoding_steps
    sees = attention_mask.make_attn_mask(mask, ar_mask)
    rotation = expert.rotation(language, jnp.cumsum(mask, axis=1) - 1)
    *layers, last = plan.language
    made = []
    for layer in layers:
        queries, own = expert.project(language, layer, expert.normed(x), rotation)
        x = _mixed(layer, x, _attend(queries, own, sees, slots))
        made.append(own)
    made.append(expert.keys_values(language, last, expert.normed(x), rotation))

    end = jnp.max(mask * jnp.arange(length), axis=1)  # of the last layer, only each row's last token is wanted
    x, sees = (_at(array, end, 1) for array in (x, sees))
    queries, _ = expert.project(language, last, expert.normed(x), tuple(_at(part, end, 2) for part in rotation))
    x = _mixed(last, x, _attend(queries, made[-1], sees, slots))

    count, place = jnp.sum(mask, axis=1), jnp.arange(length)
    # So many slots before the row's end; without gaps, those are its tokens. Published models decode so.
    visible = (place > (end - count)[:, None]) & (place <= end[:, None])
    visible = jnp.pad(visible, ((0, 0), (0, slots - length)), constant_values=True)
    cache = jax.tree.map(lambda own: jnp.pad(own, ((0, 0), (0, 0), (0, slots - length), (0, 0))), tuple(made))
    # The first token written is at position count + 1, not count: published models decode with this gap.
    return _logits(plan, x), Text(cache, visible, jnp.int32(length), count + 1 - length)


def decode(
    config: pi0_fast.Pi0FastConfig,
    plan: fast_plan.Plan,
    logits: Float[Array, "B V"],
    text: Text,
    rng: Key[Array, ""],
    *,
    max_decoding_steps: int,
    temperature: float | Float[Array, ""],
) -> Int[Array, "B max_decoding_steps"]:
    """What `sample_tokens` does behind `read`, until the last row is done. The text is of no use afterwards: donate it."""
    tokens, _ = token_decoding.decode(
        lambda tokens, text: write(config, plan, tokens, text),
        rng,
        logits,
        text,
        max_steps=max_decoding_steps,
        temperature=temperature,
        eos=pi0_fast.EOS,
    )
    return tokens


def write(
    config: pi0_fast.Pi0FastConfig, plan: fast_plan.Plan, tokens: Int[Array, " B"], text: Text
) -> tuple[Float[Array, "B V"], Text]:
    """Writes one token of each row: logits of the next, and the text with it."""
    x = _embed_tokens(plan, tokens[:, None], jnp.dtype(config.dtype))
    rotation = expert.rotation(config.language, (text.slot + text.shift)[:, None])
    sees = text.visible & (jnp.arange(text.visible.shape[1]) <= text.slot)
    cache = []
    for layer, slots in zip(plan.language, text.cache, strict=True):
        queries, own = expert.project(config.language, layer, expert.normed(x), rotation)
        k, v = (jax.lax.dynamic_update_slice_in_dim(s, new, text.slot, 2) for s, new in zip(slots, own, strict=True))
        x = _mixed(layer, x, expert.attend(queries, [expert.Sight((k, v), sees[:, None])]))
        cache.append((k, v))
    return _logits(plan, x), text.replace(cache=tuple(cache), slot=text.slot + 1)


def _attend(queries: jax.Array, own: expert.KeysValues, sees: jax.Array, slots: int) -> jax.Array:
    """Attention over the prompt. A token that sees nothing averages over all slots; those that are free hold zeros."""
    attended = expert.attend(queries, [expert.Sight(own, sees)])
    share = jnp.where(jnp.any(sees, axis=-1, keepdims=True), 1.0, sees.shape[-1] / slots)
    return attended * share.astype(attended.dtype)


def _mixed(layer: expert.Layer, x: jax.Array, attended: jax.Array) -> jax.Array:
    x = x + layer.out(attended)
    return x + expert.feed_forward(layer, expert.normed(x))


def _logits(plan: fast_plan.Plan, x: Float[Array, "B 1 D"]) -> Float[Array, "B V"]:
    encoded = expert.normed(x[:, 0].astype(jnp.float32)) * plan.final_scale
    return encoded.astype(x.dtype) @ plan.embedding.T


def _at(array: jax.Array, index: Int[Array, " B"], axis: int) -> jax.Array:
    """Of each row, the entry at its index; the axis stays, with length 1."""
    return jnp.take_along_axis(array, jnp.expand_dims(index, tuple(range(1, array.ndim))), axis)


def _embed(
    config: pi0_fast.Pi0FastConfig, plan: fast_plan.Plan, observation: observation_lib.Observation
) -> tuple[Float[Array, "B T D"], Bool[Array, "B T"], Int[Array, "B T"]]:
    """Tokens of all cameras in alphabetical order, then of the text; where there are any, and where a block begins."""
    cameras, prompt = sorted(config.image_keys), observation.tokenized_prompt
    batch, (patches, width) = len(prompt), plan.black.shape
    parts = dict.fromkeys(cameras, jnp.broadcast_to(plan.black, (batch, patches, width)))
    if given := [key for key in cameras if key in observation.images]:
        images = jnp.concatenate([observation.images[key] for key in given])
        parts |= zip(given, jnp.split(image_tower.embed(plan.tower, images), len(given)))
    text = _embed_tokens(plan, prompt, plan.black.dtype)
    shown = jnp.stack([observation.image_masks[key] for key in cameras], axis=1)
    mask = jnp.concatenate([jnp.repeat(shown, patches, axis=1), observation.tokenized_prompt_mask], axis=1)
    ar_mask = jnp.pad(observation.token_ar_mask, ((0, 0), (len(cameras) * patches, 0)))
    return jnp.concatenate([*parts.values(), text], axis=1), mask, ar_mask


def _embed_tokens(plan: fast_plan.Plan, tokens: Int[Array, "B L"], dtype: Any) -> Float[Array, "B L D"]:
    table = plan.embedding
    return (table[tokens] * jnp.sqrt(table.shape[1]).astype(table.dtype)).astype(dtype)
