"""Mixture of Gemma experts: one transformer, one set of weights per expert, one attention over the tokens of all.

Each layer projects the tokens of every expert with that expert's weights, lets all tokens attend together, and hands
each expert its share back. Layers are stacked: every parameter under `layers/` has a leading depth axis. Parameters of
expert `i >= 1` carry the suffix `_i`. Sources: Gemma (Gemma Team 2024), pi0 (Black et al. 2024), adaptive norms as in
DiT (Peebles & Xie 2022).
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, TypeAlias

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from openpi.models import lora as lora_lib
from openpi.models import remat as remat_lib
from openpi.models import rope

_MASKED = -2.3819763e38  # finite, so that a row with nothing to attend to stays free of NaN
_NORM_EPSILON = 1e-6

# Keys (already rotated) and values of every layer, each [depth, B, S, K, H] in the compute dtype.
KVCache: TypeAlias = tuple[Float[Array, "depth B S K H"], Float[Array, "depth B S K H"]]


@dataclasses.dataclass(frozen=True)
class GemmaConfig:
    """Size of one expert."""

    width: int
    depth: int
    mlp_dim: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    lora: lora_lib.LoraConfig | None = None  # adapters on the attention and feed-forward weights
    ffn_lora: lora_lib.LoraConfig | None = None  # feed-forward adapters, where they differ from `lora`

    def __post_init__(self):
        if self.num_heads % self.num_kv_heads:
            raise ValueError(f"gemma: num_heads={self.num_heads} is not a multiple of num_kv_heads={self.num_kv_heads}")
        if self.head_dim % 2:
            raise ValueError(f"gemma: head_dim={self.head_dim} must be even (rotary embedding pairs its halves)")


def check_mixture(configs: Sequence[GemmaConfig]) -> None:
    """Raises ValueError when experts cannot share one attention."""
    for field in ("depth", "num_heads", "num_kv_heads", "head_dim"):
        values = [getattr(config, field) for config in configs]
        if len(set(values)) > 1:
            raise ValueError(f"gemma: experts must agree on {field}, got {values}")


class RMSNorm(nn.Module):
    """RMS normalisation; with a condition, its scale, shift and the gate of the residual branch come from it."""

    @nn.compact
    def __call__(
        self, x: Float[Array, "B T D"], cond: Float[Array, "B C"] | None = None
    ) -> tuple[Float[Array, "B T D"], Float[Array, "B 1 D"] | None]:
        square = jnp.mean(jnp.square(x.astype(jnp.float32)), axis=-1, keepdims=True)
        normed = x * jax.lax.rsqrt(square + _NORM_EPSILON)
        if cond is None:
            scale = self.param("scale", nn.initializers.zeros_init(), (x.shape[-1],))
            return (normed * (1 + scale)).astype(x.dtype), None
        modulation = nn.Dense(3 * x.shape[-1], dtype=x.dtype, kernel_init=nn.initializers.zeros_init(), name="Dense_0")(
            cond
        )
        scale, shift, gate = jnp.split(modulation[:, None, :], 3, axis=-1)
        return (normed * (1 + scale) + shift).astype(x.dtype), gate


class Attention(nn.Module):
    """Grouped-query attention of the tokens of all experts over each other and over cached keys.

    Experts in `keys_only` are attended to, and ask for nothing themselves: their output is None.
    """

    configs: tuple[GemmaConfig, ...]
    float32_queries: bool = False
    keys_only: tuple[int, ...] = ()

    @nn.compact
    def __call__(
        self,
        xs: Sequence[Float[Array, "B _ _"] | None],
        positions: Int[Array, "B T"],
        mask: Bool[Array, "B T S"],
        cache: tuple[Float[Array, "B _ K H"], Float[Array, "B _ K H"]] | None,
    ) -> tuple[list[Float[Array, "B _ _"] | None], tuple[Float[Array, "B T K H"], Float[Array, "B T K H"]]]:
        present = [i for i, x in enumerate(xs) if x is not None]
        asking = [i for i in present if i not in self.keys_only]
        queries, keys, values = zip(*(self._project(i, xs[i]) for i in present))
        k = rope.apply_rope(jnp.concatenate(keys, axis=1), positions)
        v = jnp.concatenate(values, axis=1)
        outputs: list[jax.Array | None] = [None] * len(xs)
        if not asking:
            return outputs, (k, v)

        rows = _rows_of(asking, xs)
        q = jnp.concatenate([q for q in queries if q is not None], axis=1)
        if self.float32_queries:
            q = q.astype(jnp.float32)
        q = rope.apply_rope(q, rows(positions)) * self.configs[0].head_dim ** -0.5
        attended = attend(q, [(k, v)] if cache is None else [cache, (k, v)], rows(mask))
        start = 0
        for i in asking:
            config, length = self.configs[i], xs[i].shape[1]
            shape = (config.num_heads, config.head_dim, config.width)
            init = nn.initializers.lecun_normal(in_axis=(-3, -2), out_axis=-1)
            out = lora_lib.Einsum(shape, init, config.lora, name=expert_name("attn_vec_einsum", i))
            outputs[i] = out("BTNH,NHD->BTD", attended[:, start : start + length])
            start += length
        return outputs, (k, v)

    def _project(self, i: int, x: jax.Array) -> tuple[jax.Array | None, jax.Array, jax.Array]:
        """Queries [B, T, N, H] (None where they are not wanted), keys and values [B, T, K, H] of expert i."""
        config, asking = self.configs[i], i not in self.keys_only
        kv_init = nn.initializers.lecun_normal(in_axis=-2, out_axis=-1, batch_axis=(0, 1))
        if config.num_heads == config.num_kv_heads:
            shape = (3, config.num_heads, config.width, config.head_dim)
            qkv = lora_lib.Einsum(shape, kv_init, config.lora, name=expert_name("qkv_einsum", i))
            q, k, v = qkv("BSD,3KDH->3BSKH", x)
            return q if asking else None, k, v
        q = None
        if asking:
            q_init = nn.initializers.lecun_normal(in_axis=-2, out_axis=-1, batch_axis=(0,))
            shape = (config.num_heads, config.width, config.head_dim)
            q = lora_lib.Einsum(shape, q_init, config.lora, name=expert_name("q_einsum", i))("BTD,NDH->BTNH", x)
        shape = (2, config.num_kv_heads, config.width, config.head_dim)
        k, v = lora_lib.Einsum(shape, kv_init, config.lora, name=expert_name("kv_einsum", i))("BSD,2KDH->2BSKH", x)
        return q, k, v


def attend(
    q: Float[Array, "B T N H"],
    sources: Sequence[tuple[Float[Array, "B _ K H"], Float[Array, "B _ K H"]]],
    mask: Bool[Array, "B T S"],
) -> Float[Array, "B T N H"]:
    """Attention over the keys and values of all sources, S in total, in their dtype; logits and softmax in float32.

    The sources are not joined in memory: a cache is read where it lies, and under `vmap` over queries that share a
    cache, it is not repeated. Raises ValueError when the mask is not exactly [B, T, S].
    """
    batch, length, heads, head_dim = q.shape
    kv_heads = sources[0][0].shape[2]
    total = sum(k.shape[1] for k, _ in sources)
    if mask.shape != (batch, length, total):
        raise ValueError(f"gemma: attention mask has shape {mask.shape}, expected {(batch, length, total)}")
    q = q.reshape(batch, length, kv_heads, heads // kv_heads, head_dim)
    logits = [jnp.einsum("BTKGH,BSKH->BKGTS", q, k, preferred_element_type=jnp.float32) for k, _ in sources]
    logits = jnp.where(mask[:, None, None], jnp.concatenate(logits, axis=-1), _MASKED)
    dtype = sources[0][1].dtype
    probs = jax.nn.softmax(logits, axis=-1).astype(dtype)
    out, start = 0.0, 0
    for _, v in sources:
        part = probs[..., start : start + v.shape[1]]
        out += jnp.einsum("BKGTS,BSKH->BTKGH", part, v, preferred_element_type=jnp.float32)
        start += v.shape[1]
    return out.astype(dtype).reshape(batch, length, heads, head_dim)


class Block(nn.Module):
    """One layer of the mixture: attention, then feed-forward, each behind a norm and added to the stream.

    The streams of the experts in `keys_only` end here: of them, only keys and values are made.
    """

    configs: tuple[GemmaConfig, ...]
    float32_queries: bool = False
    keys_only: tuple[int, ...] = ()

    @nn.compact
    def __call__(self, xs, cache, positions, mask, conds):
        """See `Gemma`; `cache` is this layer's (k, v) or None. Returns the streams and this pass's own (k, v)."""
        normed, gates = self._norm("pre_attention_norm", xs, conds)
        attention = Attention(self.configs, self.float32_queries, self.keys_only, name="attn")
        updates, cache = attention(normed, positions, mask, cache)
        xs = [None if i in self.keys_only else x for i, x in enumerate(xs)]
        xs = [_add(x, update, gate) for x, update, gate in zip(xs, updates, gates)]

        normed, gates = self._norm("pre_ffw_norm", xs, conds)
        updates = [None if x is None else self._feed_forward(i)(x) for i, x in enumerate(normed)]
        xs = [_add(x, update, gate) for x, update, gate in zip(xs, updates, gates)]
        return xs, cache

    def _norm(self, name, xs, conds):
        pairs = [
            (None, None) if x is None else RMSNorm(name=expert_name(name, i))(x, cond)
            for i, (x, cond) in enumerate(zip(xs, conds))
        ]
        return zip(*pairs)

    def _feed_forward(self, i: int) -> lora_lib.FeedForward:
        config = self.configs[i]
        adapter = config.ffn_lora or config.lora
        return lora_lib.FeedForward(config.width, config.mlp_dim, adapter, name=expert_name("mlp", i))


class Embedder(nn.Module):
    """Token embedding, scaled by sqrt(width) rounded to the table's dtype."""

    vocab_size: int
    width: int

    def setup(self):
        self.input_embedding = self.param(
            "input_embedding", nn.initializers.normal(stddev=0.01), (self.vocab_size, self.width)
        )

    def __call__(self, tokens: Int[Array, "B L"]) -> Float[Array, "B L D"]:
        table = self.input_embedding
        return table[tokens] * jnp.sqrt(self.width).astype(table.dtype)


class Gemma(nn.Module):
    """The mixture. Use `embed` for text, then `__call__` on embedded tokens."""

    configs: tuple[GemmaConfig, ...]
    vocab_size: int
    dtype: Any = jnp.float32  # compute dtype
    remat: str = "full"  # what the backward pass computes again, see remat; "none" unrolls the loop over layers
    float32_queries: bool = False  # leave queries in float32 after the rotary embedding (pi0-FAST)

    def setup(self):
        check_mixture(self.configs)
        self.embedder = Embedder(self.vocab_size, self.configs[0].width)
        depth = self.configs[0].depth
        self.layers = nn.scan(  # makes the stacked parameters; `_run` runs them
            Block,
            variable_axes={"params": 0},
            split_rngs={"params": True},
            in_axes=(nn.broadcast, nn.broadcast, nn.broadcast, nn.broadcast),
            length=depth,
        )(self.configs, self.float32_queries)
        self.final_norms = [RMSNorm(name=expert_name("final_norm", i)) for i in range(len(self.configs))]

    def embed(self, tokens: Int[Array, "B L"]) -> Float[Array, "B L D"]:
        """Embeds text for expert 0, in the compute dtype."""
        return self.embedder(tokens).astype(self.dtype)

    def __call__(
        self,
        embedded: Sequence[Float[Array, "B _ _"] | None],
        positions: Int[Array, "B T"],
        mask: Bool[Array, "B T S"],
        conds: Sequence[Float[Array, "B _"] | None] | None = None,
        kv_cache: KVCache | None = None,
        unread: tuple[int, ...] = (),
    ) -> tuple[list[Float[Array, "B _ _"] | None], KVCache]:
        """Runs the tokens of the present experts through all layers.

        Args:
            embedded: tokens of each expert, None for an absent one; T is the sum of their lengths, in expert order.
            positions: of all tokens, for the rotary embedding.
            mask: who may attend to whom; S is the length of the cache, if any, plus T.
            conds: condition of each expert's adaptive norms, None for plain norms.
            kv_cache: keys and values of an earlier pass, which come before this pass's own.
            unread: experts whose output is of no use. It is not computed: of the last layer, they get keys and values.

        Returns:
            The outputs of each expert after its final norm, None for an absent or unread one, and this pass's own keys
            and values (without those of `kv_cache`).
        """
        conds = [None] * len(self.configs) if conds is None else list(conds)
        xs = [None if x is None else x.astype(self.dtype) for x in embedded]
        xs, kv_cache = self._run(xs, kv_cache, (positions, mask, conds), unread)
        return self._outputs(xs, conds, unread), kv_cache

    def init_all(self, tokens, embedded, positions, mask, conds):
        """Touches every parameter, for `Gemma.init(..., method="init_all")`."""
        conds = [None] * len(self.configs) if conds is None else list(conds)
        xs, _ = self.layers(embedded, None, positions, mask, conds)
        return self.embed(tokens), self._outputs(xs, conds, ())

    def _run(self, xs, kv_cache, context, unread):
        """All layers, on the stacked parameters."""
        depth, stacked = self.configs[0].depth, self.layers.variables["params"]

        def layer(keys_only, params, xs, cache, context):
            block = Block(self.configs, self.float32_queries, keys_only, parent=None)
            ys, own = block.apply({"params": params}, xs, cache, *context)
            return [x if y is None else y for x, y in zip(xs, ys)], own

        inner, last = (
            remat_lib.recompute(functools.partial(layer, keys_only), self.remat) for keys_only in ((), unread)
        )
        if self.remat == "none":
            inner, last = jax.jit(inner), jax.jit(last)  # traced once for all layers
            owns = []
            for i in range(depth):
                params, cache = jax.tree.map(lambda leaf: leaf[i], (stacked, kv_cache))  # noqa: B023
                xs, own = (last if i == depth - 1 else inner)(params, xs, cache, context)
                owns.append(own)
            return xs, jax.tree.map(lambda *leaves: jnp.stack(leaves), *owns)

        def step(xs, inputs):
            i, params, cache = inputs
            if not unread:
                return inner(params, xs, cache, context)
            # A branch, and not a loop over all layers but the last: parameters cut in two would be copied.
            return jax.lax.cond(i == depth - 1, last, inner, params, xs, cache, context)

        return jax.lax.scan(remat_lib.recompute(step, self.remat), xs, (jnp.arange(depth), stacked, kv_cache))

    def _outputs(self, xs, conds, unread):
        """The streams behind their final norms."""
        xs = [None if i in unread else x for i, x in enumerate(xs)]
        return [None if x is None else norm(x, cond)[0] for norm, x, cond in zip(self.final_norms, xs, conds)]


def expert_name(name: str, i: int) -> str:
    """Module name for expert i: the first expert's names are those of a plain Gemma."""
    return name if i == 0 else f"{name}_{i}"


def _rows_of(asking, xs):
    """Function that picks, of an array of all tokens [B, T, ...], those of some experts."""
    lengths = [0 if x is None else x.shape[1] for x in xs]
    starts = [sum(lengths[:i]) for i in range(len(xs))]
    if sum(lengths) == sum(lengths[i] for i in asking):
        return lambda array: array
    spans = [slice(starts[i], starts[i] + lengths[i]) for i in asking]
    return lambda array: jnp.concatenate([array[:, span] for span in spans], axis=1)


def _add(x, update, gate):
    if x is None:
        return None
    return x + update if gate is None else x + update * gate
