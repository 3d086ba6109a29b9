"""SigLIP image tower: a vision transformer that returns one token per patch (Zhai et al. 2023).

Parameter names are those of Big Vision, with the layers stacked along a leading depth axis.
"""

import dataclasses
import math
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from openpi.models import posemb
from openpi.models import remat as remat_lib


@dataclasses.dataclass(frozen=True)
class SiglipConfig:
    """Size of the tower, and how what it learns begins."""

    width: int
    depth: int
    mlp_dim: int
    num_heads: int
    patch_size: tuple[int, int] = (14, 14)
    posemb_init: str = "normal"  # start of the learnt position embedding: "normal", or "sincos2d" for small data
    head_init: str = "zeros"  # start of the output layer: "zeros", or "lecun" so that a new tower is seen from step one

    def __post_init__(self):
        for field, choices in (("posemb_init", ("normal", "sincos2d")), ("head_init", ("zeros", "lecun"))):
            if getattr(self, field) not in choices:
                raise ValueError(f"siglip: {field} must be one of {choices}, got {getattr(self, field)!r}")
        if self.width % self.num_heads:
            raise ValueError(f"siglip: width={self.width} is not a multiple of num_heads={self.num_heads}")


class PatchEmbedding(nn.Module):
    """A convolution whose stride is its kernel, as one matrix product, in float32."""

    width: int
    patch_size: tuple[int, int]

    @nn.compact
    def __call__(self, images: Float[Array, "B H W C"]) -> Float[Array, "B Y X D"]:
        (batch, height, width, channels), (ph, pw) = images.shape, self.patch_size
        if height % ph or width % pw:
            raise ValueError(f"siglip: image of {height}x{width} cannot be cut into patches of {ph}x{pw}")
        kernel = self.param("kernel", nn.initializers.lecun_normal(), (ph, pw, channels, self.width))
        bias = self.param("bias", nn.initializers.zeros_init(), (self.width,))
        patches = images.astype(jnp.float32).reshape(batch, height // ph, ph, width // pw, pw, channels)
        return jnp.einsum("ByhxwC,hwCD->ByxD", patches, kernel.astype(jnp.float32)) + bias.astype(jnp.float32)


class MlpBlock(nn.Module):
    """GELU feed-forward."""

    mlp_dim: int
    dtype: Any

    @nn.compact
    def __call__(self, x: Float[Array, "B P D"]) -> Float[Array, "B P D"]:
        inits = {
            "kernel_init": nn.initializers.xavier_uniform(),
            "bias_init": nn.initializers.normal(stddev=1e-6),
        }
        hidden = nn.gelu(nn.Dense(self.mlp_dim, dtype=self.dtype, **inits)(x))
        return nn.Dense(x.shape[-1], dtype=self.dtype, **inits)(hidden)


class EncoderBlock(nn.Module):
    """One layer: self-attention, then feed-forward, each behind a norm and added to the stream."""

    mlp_dim: int
    num_heads: int
    dtype: Any

    @nn.compact
    def __call__(self, x: Float[Array, "B P D"], _: None = None) -> tuple[Float[Array, "B P D"], None]:
        normed = nn.LayerNorm(dtype=self.dtype)(x)
        x = x + nn.MultiHeadDotProductAttention(
            self.num_heads, dtype=self.dtype, kernel_init=nn.initializers.xavier_uniform(), deterministic=True
        )(normed, normed)
        return x + MlpBlock(self.mlp_dim, self.dtype)(nn.LayerNorm(dtype=self.dtype)(x)), None


class Encoder(nn.Module):
    """The stack of layers and the final norm."""

    config: SiglipConfig
    dtype: Any
    remat: str

    @nn.compact
    def __call__(self, x: Float[Array, "B P D"]) -> Float[Array, "B P D"]:
        unrolled = self.remat == "none"
        layers = nn.scan(
            EncoderBlock
            if unrolled
            else nn.remat(EncoderBlock, prevent_cse=False, policy=remat_lib.SAVEABLE[self.remat]),
            variable_axes={"params": 0},
            split_rngs={"params": True},
            in_axes=nn.broadcast,
            length=self.config.depth,
            unroll=self.config.depth if unrolled else 1,
        )
        x, _ = layers(self.config.mlp_dim, self.config.num_heads, self.dtype, name="encoderblock")(x, None)
        return nn.LayerNorm(dtype=self.dtype, name="encoder_norm")(x)


class Siglip(nn.Module):
    """The tower with its output layer of `num_classes` features per patch."""

    config: SiglipConfig
    num_classes: int
    dtype: Any = jnp.float32  # compute dtype behind the patch embedding
    remat: str = "full"  # what the backward pass computes again, see remat; "none" unrolls the loop over layers

    @nn.compact
    def __call__(self, images: Float[Array, "B H W C"]) -> Float[Array, "B P D"]:
        """Image tokens in the compute dtype, patches in row-major order; `images` are in [-1, 1]."""
        config = self.config
        x = PatchEmbedding(config.width, config.patch_size, name="embedding")(images)
        batch, rows, columns, width = x.shape
        x = x.reshape(batch, rows * columns, width)
        x = x + self.param("pos_embedding", self._posemb_init(rows, columns), (1, rows * columns, width))
        x = Encoder(config, self.dtype, self.remat, name="Transformer")(x.astype(self.dtype))
        head_init = {"zeros": nn.initializers.zeros_init(), "lecun": nn.initializers.lecun_normal()}
        return nn.Dense(self.num_classes, dtype=self.dtype, kernel_init=head_init[config.head_init], name="head")(x)

    def _posemb_init(self, rows: int, columns: int) -> nn.initializers.Initializer:
        if self.config.posemb_init == "normal":
            return nn.initializers.normal(stddev=1 / math.sqrt(self.config.width))
        grid = posemb.posemb_sincos_2d(rows, columns, self.config.width)
        return lambda key, shape, dtype=jnp.float32: jnp.asarray(grid, dtype).reshape(shape)
