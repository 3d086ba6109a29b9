"""One expert of the mixture for inference: weights joined, norms' scales folded in, keys and values laid out by head.

Axis letters: `B` rows, `T` tokens, `S` keys, `D` width, `F` width of the feed-forward, `N` heads of queries, `K` heads of keys
and values, `H` width of a head.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from openpi.engine import linear, lora_merge
from openpi.models import gemma, rope

_EPSILON = 1e-6
_MASKED = -1e30  # finite, and far below every logit

# Keys (rotated) and values of one layer.
KeysValues: TypeAlias = tuple[Float[Array, "B K S H"], Float[Array, "B K S H"]]


@flax.struct.dataclass
class Layer:
    """One layer. The scale of a plain norm is part of the weights behind it; an adaptive norm's is not."""

    qkv: linear.Linear  # D → (N + 2 K) H; queries are scaled already
    out: linear.Linear  # N H → D
    gate_up: linear.Linear  # D → 2 F
    down: linear.Linear  # F → D


@flax.struct.dataclass
class Modulation:
    """What an adaptive norm adds at one moment: [..., D] each."""

    scale: Float[Array, "*B D"]
    shift: Float[Array, "*B D"]
    gate: Float[Array, "*B D"]


@flax.struct.dataclass
class Sight:
    """Who sees what: keys of one source, and either `mask`, of who sees which, or `seen`, of those that all see.

    `seen` (1 or 0) is for what `hide` has hidden: a mask costs as much as the softmax itself.
    """

    keys_values: KeysValues
    mask: Bool[Array, "B _ S"] | None = None
    seen: Float[Array, "B S"] | None = None


def prepare(config: gemma.GemmaConfig, params: dict[str, Any], index: int, dtype: Any) -> tuple[Layer, ...]:
    """The layers of expert `index` of a mixture whose stacked parameters, with the published paths, are `params`."""
    name = lambda base: gemma.expert_name(base, index)
    attention, mlp, ffn_lora = params["attn"], params[name("mlp")], config.ffn_lora or config.lora
    qkv = _qkv(config, attention, name)
    out = lora_merge.einsum_weight(attention[name("attn_vec_einsum")], config.lora, sums_heads=True)
    gating = lora_merge.feed_forward_weight(mlp, "gating_einsum", ffn_lora)  # [depth, 2, D, F]
    gate_up = jnp.concatenate([gating[:, 0], gating[:, 1]], axis=-1)
    down = lora_merge.feed_forward_weight(mlp, "linear", ffn_lora)
    qkv = _behind_norm(params[name("pre_attention_norm")], qkv)
    gate_up = _behind_norm(params[name("pre_ffw_norm")], gate_up)
    make = lambda kernel: linear.make(kernel, dtype=dtype)
    return tuple(
        Layer(make(qkv[i]), make(out[i].reshape(-1, config.width)), make(gate_up[i]), make(down[i]))
        for i in range(config.depth)
    )


def project(
    config: gemma.GemmaConfig, layer: Layer, normed: Float[Array, "B T D"], rotation: tuple[jax.Array, jax.Array]
) -> tuple[Float[Array, "B T N H"], KeysValues]:
    """Queries, and keys and values, of tokens behind their norm."""
    batch, length, _ = normed.shape
    heads = layer.qkv(normed).reshape(batch, length, -1, config.head_dim)
    n, k = config.num_heads, config.num_kv_heads
    rotated = _rotate(heads[:, :, : n + k], rotation)
    return rotated[:, :, :n], (_by_head(rotated[:, :, n:]), _by_head(heads[:, :, n + k :]))


def keys_values(
    config: gemma.GemmaConfig, layer: Layer, normed: Float[Array, "B T D"], rotation: tuple[jax.Array, jax.Array]
) -> KeysValues:
    """Keys and values alone."""
    batch, length, _ = normed.shape
    projected = layer.qkv.outputs_from(config.num_heads * config.head_dim)(normed)
    heads = projected.reshape(batch, length, -1, config.head_dim)
    k = config.num_kv_heads
    return _by_head(_rotate(heads[:, :, :k], rotation)), _by_head(heads[:, :, k:])


def hide(keys_values: KeysValues, seen: Bool[Array, "B S"]) -> KeysValues:
    """Keys and values as `Sight.seen` needs them: the others get a seen key, so as not to be the highest, and no value."""
    keys, values = keys_values
    one = jnp.take_along_axis(keys, jnp.argmax(seen, axis=1)[:, None, None, None], axis=2)
    kept = seen[:, None, :, None]
    return jnp.where(kept, keys, one), jnp.where(kept, values, 0)


def attend(queries: Float[Array, "B T N H"], sights: Sequence[Sight]) -> Float[Array, "B T NH"]:
    """Attention over several sources, which are not joined in memory; logits and softmax in float32."""
    if len(queries) == 1:
        return _attend(queries, sights)
    return jax.lax.platform_dependent(queries, tuple(sights), cpu=_attend_row_by_row, default=_attend)


def _attend_row_by_row(queries: Float[Array, "B T N H"], sights: Sequence[Sight]) -> Float[Array, "B T NH"]:
    """As `_attend`: the logits of one row fit a processor's cache, those of several do not, which costs threefold."""
    rows = len(queries)
    whole = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (rows, *leaf.shape[1:])), sights)
    return jax.lax.map(lambda row: _attend(*jax.tree.map(lambda leaf: leaf[None], row))[0], (queries, whole))


def _attend(queries: Float[Array, "B T N H"], sights: Sequence[Sight]) -> Float[Array, "B T NH"]:
    batch, length, heads, head_dim = queries.shape
    kv_heads = sights[0].keys_values[0].shape[1]
    group = heads // kv_heads
    # Token by token, so that nothing moves in memory where all heads share keys and values.
    q = _by_head(queries.reshape(batch, length, kv_heads, -1)).reshape(batch, kv_heads, length * group, head_dim)
    logits = []
    for sight in sights:
        part = jnp.einsum("BKTH,BKSH->BKTS", q, sight.keys_values[0], preferred_element_type=jnp.float32)
        if sight.mask is not None:
            part = part.reshape(batch, kv_heads, length, group, -1)
            part = jnp.where(sight.mask[:, None, :, None], part, _MASKED).reshape(batch, kv_heads, length * group, -1)
        logits.append(part)
    highest = logits[0].max(axis=-1, keepdims=True)
    for part in logits[1:]:
        highest = jnp.maximum(highest, part.max(axis=-1, keepdims=True))
    total, out = jnp.float32(0), jnp.float32(0)
    for sight, part in zip(sights, logits, strict=True):
        weights, values = jnp.exp(part - highest), sight.keys_values[1]
        if sight.seen is None:
            total += weights.sum(axis=-1, keepdims=True)
        else:
            total += jnp.einsum("BKTS,BS->BKT", weights, sight.seen)[..., None]
        out += jnp.einsum("BKTS,BKSH->BKTH", weights.astype(values.dtype), values, preferred_element_type=jnp.float32)
    total = jnp.maximum(total, 1e-30)  # 0 where nothing is seen: for what no one sees in turn
    out = jnp.asarray(out / total, sights[0].keys_values[1].dtype)
    return _by_head(out.reshape(batch, kv_heads, length, group * head_dim)).reshape(batch, length, -1)


def feed_forward(layer: Layer, normed: Float[Array, "B T D"]) -> Float[Array, "B T D"]:
    """Gated GELU."""
    gate, up = jnp.split(layer.gate_up(normed), 2, axis=-1)
    return layer.down(jax.nn.gelu(gate, approximate=True) * up)


def normed(x: Float[Array, "B T D"], modulation: Modulation | None = None) -> Float[Array, "B T D"]:
    """RMS norm without its scale, or an adaptive one at one moment."""
    y = x * jax.lax.rsqrt(jnp.mean(jnp.square(x.astype(jnp.float32)), axis=-1, keepdims=True) + _EPSILON)
    return (y if modulation is None else y * (1 + modulation.scale) + modulation.shift).astype(x.dtype)


def rotation(
    config: gemma.GemmaConfig, positions: Int[Array, "B T"]
) -> tuple[Float[Array, "B T 1 h"], Float[Array, "B T 1 h"]]:
    """Sine and cosine of the rotary embedding, for all layers; `h` is half of a head."""
    exponents = (2.0 / config.head_dim) * jnp.arange(config.head_dim // 2, dtype=jnp.float32)
    angle = positions[:, :, None, None] / rope.MAX_WAVELENGTH**exponents
    return jnp.sin(angle), jnp.cos(angle)


def _rotate(x: Float[Array, "B T N H"], rotation: tuple[jax.Array, jax.Array]) -> Float[Array, "B T N H"]:
    """`rope.apply_rope`, in a form that compilers turn into straight loops."""
    sin, cos = rotation
    half = x.shape[-1] // 2
    swapped = jnp.concatenate([x[..., half:], x[..., :half]], axis=-1)
    sin, cos = jnp.concatenate([-sin, sin], axis=-1), jnp.concatenate([cos, cos], axis=-1)
    return (x * cos + swapped * sin).astype(x.dtype)


def _by_head(x: jax.Array) -> jax.Array:
    """[B, T, K, ...] and [B, K, T, ...], one from the other."""
    return jnp.swapaxes(x, 1, 2)


def _qkv(config: gemma.GemmaConfig, attention: dict[str, Any], name) -> Float[Array, "depth D E"]:
    """Queries, keys and values side by side."""
    if config.num_heads == config.num_kv_heads:
        q, k, v = jnp.moveaxis(lora_merge.einsum_weight(attention[name("qkv_einsum")], config.lora), 1, 0)
    else:
        q = lora_merge.einsum_weight(attention[name("q_einsum")], config.lora)
        k, v = jnp.moveaxis(lora_merge.einsum_weight(attention[name("kv_einsum")], config.lora), 1, 0)
    q = q.astype(jnp.float32) * config.head_dim**-0.5
    side_by_side = jnp.concatenate([part.astype(jnp.float32) for part in (q, k, v)], axis=1)  # [depth, heads, D, H]
    return side_by_side.transpose(0, 2, 1, 3).reshape(config.depth, config.width, -1)


def _behind_norm(norm: dict[str, Any], kernel: Float[Array, "depth D E"]) -> Float[Array, "depth D E"]:
    """`kernel` with the scale of a plain norm before it."""
    return kernel * (1 + norm["scale"][:, :, None].astype(jnp.float32)) if "scale" in norm else kernel
