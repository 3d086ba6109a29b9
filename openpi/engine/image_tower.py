"""The image tower for inference: weights joined once, layers one after the other.

Axis letters: `B` images, `P` patches, `D` width, `F` width of the feed-forward, `N` heads, `H` width of a head.
"""

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from openpi.engine import linear
from openpi.models import siglip

_EPSILON = 1e-6


@flax.struct.dataclass
class Layer:
    """One layer. The scale and bias of each norm are part of the linear layer behind it."""

    qkv: linear.Linear  # D → 3 N H; queries are scaled already
    out: linear.Linear  # N H → D
    up: linear.Linear  # D → F
    down: linear.Linear  # F → D


@flax.struct.dataclass
class ImageTower:
    """The whole tower."""

    patches: linear.Linear  # pixels of a patch → D, float32
    positions: Float[Array, "1 P D"]
    layers: tuple[Layer, ...]
    head: linear.Linear  # D → width of the language model
    num_heads: int = flax.struct.field(pytree_node=False)
    patch_size: tuple[int, int] = flax.struct.field(pytree_node=False)
    dtype: Any = flax.struct.field(pytree_node=False)  # compute dtype behind the patch embedding


def prepare(config: siglip.SiglipConfig, params: dict[str, Any], dtype: Any) -> ImageTower:
    """The tower of these parameters, which have the published paths."""
    width, blocks = config.width, params["Transformer"]["encoderblock"]
    kernel = params["embedding"]["kernel"]
    return ImageTower(
        patches=linear.make(kernel.reshape(-1, width), params["embedding"]["bias"], dtype=jnp.float32),
        positions=params["pos_embedding"],
        layers=tuple(_layer(config, jax.tree.map(lambda leaf: leaf[i], blocks), dtype) for i in range(config.depth)),  # noqa: B023
        head=_behind_norm(
            params["Transformer"]["encoder_norm"], params["head"]["kernel"], params["head"]["bias"], dtype
        ),
        num_heads=config.num_heads,
        patch_size=config.patch_size,
        dtype=dtype,
    )


def embed(tower: ImageTower, images: Float[Array, "B height width 3"]) -> Float[Array, "B P D"]:
    """One token a patch, rows first, in the compute dtype; `images` are in [-1, 1]."""
    batch, height, width, channels = images.shape
    ph, pw = tower.patch_size
    patches = images.reshape(batch, height // ph, ph, width // pw, pw, channels).transpose(0, 1, 3, 2, 4, 5)
    x = tower.patches(patches.reshape(batch, -1, ph * pw * channels).astype(jnp.float32))
    x = (x + tower.positions).astype(tower.dtype)
    for layer in tower.layers:
        x = x + layer.out(_attend(layer.qkv(_normed(x)), tower.num_heads))
        x = x + layer.down(jax.nn.gelu(layer.up(_normed(x))))
    return tower.head(_normed(x))


def _layer(config: siglip.SiglipConfig, params: dict[str, Any], dtype: Any) -> Layer:
    attention, mlp, width = params["MultiHeadDotProductAttention_0"], params["MlpBlock_0"], config.width
    scale = {"query": (width // config.num_heads) ** -0.5, "key": 1.0, "value": 1.0}
    kernel = jnp.concatenate([attention[name]["kernel"].reshape(width, -1) * s for name, s in scale.items()], axis=1)
    bias = jnp.concatenate([attention[name]["bias"].reshape(-1) * s for name, s in scale.items()])
    out, up, down = attention["out"], mlp["Dense_0"], mlp["Dense_1"]
    return Layer(
        qkv=_behind_norm(params["LayerNorm_0"], kernel, bias, dtype),
        out=linear.make(out["kernel"].reshape(-1, width), out["bias"], dtype=dtype),
        up=_behind_norm(params["LayerNorm_1"], up["kernel"], up["bias"], dtype),
        down=linear.make(down["kernel"], down["bias"], dtype=dtype),
    )


def _behind_norm(norm: dict[str, Any], kernel: jax.Array, bias: jax.Array, dtype: Any) -> linear.Linear:
    """`(normed * scale + shift) @ kernel + bias` as one linear layer of `normed`."""
    kernel = kernel.astype(jnp.float32)
    return linear.make(kernel * norm["scale"][:, None], norm["bias"] @ kernel + bias, dtype=dtype)


def _normed(x: jax.Array) -> jax.Array:
    wide = x.astype(jnp.float32)
    mean = jnp.mean(wide, axis=-1, keepdims=True)
    variance = jnp.maximum(jnp.mean(jnp.square(wide), axis=-1, keepdims=True) - jnp.square(mean), 0.0)
    return ((wide - mean) * jax.lax.rsqrt(variance + _EPSILON)).astype(x.dtype)


def _attend(qkv: Float[Array, "B P 3NH"], num_heads: int) -> Float[Array, "B P NH"]:
    batch, patches, _ = qkv.shape
    q, k, v = qkv.reshape(batch, patches, 3, num_heads, -1).transpose(2, 0, 3, 1, 4)
    logits = jnp.einsum("BNPH,BNSH->BNPS", q, k)
    weights = jnp.exp(logits - jnp.max(logits, axis=-1, keepdims=True))
    out = jnp.einsum("BNPS,BNSH->BNPH", weights, v) / jnp.sum(weights, axis=-1, keepdims=True)
    return out.transpose(0, 2, 1, 3).reshape(batch, patches, -1)
