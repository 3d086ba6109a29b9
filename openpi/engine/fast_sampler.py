"""Sampling of pi0-FAST: what `pi0_fast.sample_actions` computes, from a plan.

Keys and values of what is read stay where they are, with padding behind them; those of what is written have a place of their own,
which is small, since XLA may copy what a loop changes. What a row sees, and the positions at which it writes, are as in the plain
model, which has one cache and moves padding to its front.

Axis letters: `B` rows, `R` tokens to read at the most, `W` tokens to write at the most, `D` width, `V` vocabulary.
"""

import dataclasses

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from openpi.engine import expert, fast_inputs, fast_plan, vocabulary
from openpi.models import attention_mask, pi0_fast, token_decoding
from openpi.models import observation as observation_lib


@flax.struct.dataclass
class Text:
    """What has been read and written so far."""

    read: tuple[expert.KeysValues, ...]  # of each layer, [B, K, R, H]
    visible: Bool[Array, "B R"]  # what of it the tokens written may see
    written: tuple[expert.KeysValues, ...]  # [B, K, W, H]
    count: Int[Array, ""]  # tokens written
    position: Int[Array, " B"]  # of the next


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
        Others have the model's resolution. If no row has a gap (`fast_present`), the prompt may be cut behind its last token: all
        that is returned has the same shapes, so that one program for `decode` is enough. And if it is one block as well, it
        needs no `token_ar_mask`, and is read faster without.
      max_decoding_steps: most tokens per row; static.
    """
    x, mask, ar_mask = fast_inputs.embed(config, plan, observation)
    language, length = config.language, x.shape[1]
    longest = length - observation.tokenized_prompt.shape[1] + config.max_token_len
    sees = None if ar_mask is None else attention_mask.make_attn_mask(mask, ar_mask)
    slots = longest + max_decoding_steps  # of the plain model
    rotation = expert.rotation(language, jnp.cumsum(mask, axis=1) - 1)
    *layers, last = plan.language
    made = []
    for layer in layers:
        queries, own = expert.project(language, layer, expert.normed(x), rotation)
        x = _mixed(layer, x, _attend(queries, own, mask, sees, slots))
        made.append(own)
    made.append(expert.keys_values(language, last, expert.normed(x), rotation))

    end = jnp.max(mask * jnp.arange(length), axis=1)  # of the last layer, only each row's last token is wanted
    x, sees = jax.tree.map(lambda array: _at(array, end, 1), (x, sees))
    sin, cos = (_at(part, end, 1) for part in rotation)
    queries, _ = expert.project(language, last, expert.normed(x), (sin, cos))
    x = _mixed(last, x, _attend(queries, made[-1], mask, sees, slots))

    used, place = jnp.sum(mask, axis=1), jnp.arange(longest)
    pad = lambda own: jnp.pad(own, ((0, 0), (0, 0), (0, longest - length), (0, 0)))
    free = lambda own: jnp.zeros((*own.shape[:2], max_decoding_steps, own.shape[3]), own.dtype)
    return _logits(plan, x), Text(
        read=jax.tree.map(pad, tuple(made)),
        # So many before the row's end; without gaps, those are its tokens. Published models decode so.
        visible=(place > (end - used)[:, None]) & (place <= end[:, None]),
        written=jax.tree.map(free, tuple(made)),
        count=jnp.int32(0),
        position=used + 1,  # not `used`: published models leave one out
    )


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
    """What `sample_tokens` does behind `read`, in one program that ends when the last row has."""
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
    x = vocabulary.embed(plan.embedding, tokens[:, None], jnp.dtype(config.dtype))
    rotation = expert.rotation(config.language, text.position[:, None])
    sees = jnp.arange(text.written[0][0].shape[2])[None, None] <= text.count
    written = []
    for layer, read, places in zip(plan.language, text.read, text.written, strict=True):
        queries, own = expert.project(config.language, layer, expert.normed(x), rotation)
        k, v = (jax.lax.dynamic_update_slice_in_dim(*each, text.count, 2) for each in zip(places, own, strict=True))
        sights = [expert.Sight(read, text.visible[:, None]), expert.Sight((k, v), sees)]
        x = _mixed(layer, x, expert.attend(queries, sights))
        written.append((k, v))
    text = dataclasses.replace(text, written=tuple(written), count=text.count + 1, position=text.position + 1)
    return _logits(plan, x), text


def _attend(
    queries: jax.Array, own: expert.KeysValues, mask: jax.Array, sees: jax.Array | None, slots: int
) -> jax.Array:
    """Attention over the prompt. A token that sees nothing averages over all of the plain model's slots, zeros where free."""
    if sees is None:  # what padding sees does not matter, since none sees it
        return expert.attend(queries, [expert.Sight(expert.hide(own, mask), seen=mask.astype(jnp.float32))])
    attended = expert.attend(queries, [expert.Sight(own, sees)])
    share = jnp.where(jnp.any(sees, axis=-1, keepdims=True), 1.0, sees.shape[-1] / slots)
    return attended * share.astype(attended.dtype)


def _mixed(layer: expert.Layer, x: jax.Array, attended: jax.Array) -> jax.Array:
    x = x + layer.out(attended)
    return x + expert.feed_forward(layer, expert.normed(x))


def _logits(plan: fast_plan.Plan, x: Float[Array, "B 1 D"]) -> Float[Array, "B V"]:
    encoded = expert.normed(x[:, 0].astype(jnp.float32)) * plan.final_scale
    return vocabulary.logits(plan.embedding, encoded.astype(x.dtype))


def _at(array: jax.Array, index: Int[Array, " B"], axis: int) -> jax.Array:
    """Of each row, the entry at its index; the axis stays, with length 1."""
    return jnp.take_along_axis(array, jnp.expand_dims(index, tuple(range(1, array.ndim))), axis)
