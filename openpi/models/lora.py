"""Einsum and gated feed-forward layers with optional low-rank adapters (LoRA, Hu et al. 2021).

Parameters keep the dtype they are given; every product runs in the dtype of the input.
"""

import dataclasses
import math

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@dataclasses.dataclass(frozen=True)
class LoraConfig:
    """Size and strength of a low-rank adapter."""

    rank: int  # inner width of the adapter
    alpha: float = 1.0  # strength: the update is scaled by alpha / rank
    rslora: bool = False  # scale by alpha / sqrt(rank) instead (rank-stabilised LoRA)

    @property
    def scaling(self) -> float:
        return self.alpha / (math.sqrt(self.rank) if self.rslora else self.rank)


# Both factors start small and random, so a fresh adapter is not quite a no-op: released checkpoints began so.
_FACTOR_INIT = nn.initializers.normal(stddev=0.01)


def factor_equations(equation: str) -> tuple[str, str]:
    """The two einsum equations of an adapter on the last two axes of the weight.

    The weight's last letter becomes L in the first equation, its last but one becomes L in the second:
    `BTD,NDH->BTNH` gives `BTD,NDL->BTNL` and `BTNL,NLH->BTNH`. For the output projection `BTNH,NHD->BTD` this sums over
    the heads in both factors (`BTNH,NHL->BTL`, `BTL,NLD->BTD`), which published adapters depend on.

    Raises ValueError when the equation is not `x,w->y` or already uses L.
    """
    if equation.count(",") != 1 or equation.count("->") != 1 or "L" in equation:
        raise ValueError(f"lora: equation {equation!r} must have the form 'x,w->y' and not use the letter L")
    terms, out = equation.split("->")
    x, weight = terms.split(",")
    p, q = weight[-2], weight[-1]
    hidden = out.replace(q, "L")
    return f"{x},{weight.replace(q, 'L')}->{hidden}", f"{hidden},{weight.replace(p, 'L')}->{out}"


class Einsum(nn.Module):
    """`einsum(equation, x, w)`, plus its adapter when `lora` is given."""

    shape: tuple[int, ...]
    w_init: nn.initializers.Initializer = nn.initializers.zeros_init()
    lora: LoraConfig | None = None

    @nn.compact
    def __call__(self, equation: str, x: Float[Array, "..."]) -> Float[Array, "..."]:
        w = self.param("w", self.w_init, self.shape)
        out = jnp.einsum(equation, x, w.astype(x.dtype))
        if self.lora is None:
            return out
        *batch, p, q = self.shape
        a = self.param("lora_a", _FACTOR_INIT, (*batch, p, self.lora.rank))
        b = self.param("lora_b", _FACTOR_INIT, (*batch, self.lora.rank, q))
        equation_a, equation_b = factor_equations(equation)
        update = jnp.einsum(equation_b, jnp.einsum(equation_a, x, a.astype(x.dtype)), b.astype(x.dtype))
        return out + update * self.lora.scaling


class FeedForward(nn.Module):
    """Gated GELU feed-forward `(gelu(x @ gate) * (x @ up)) @ linear`, without biases.

    Its adapters are added without the scaling value: published adapters were trained so (with alpha equal to rank,
    where it makes no difference).
    """

    features: int
    hidden_dim: int
    lora: LoraConfig | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "B T D"]) -> Float[Array, "B T D"]:
        gate_init = nn.initializers.lecun_normal(in_axis=-2, out_axis=-1, batch_axis=(0,))
        gating = self._weight("gating_einsum", gate_init, (2, self.features, self.hidden_dim))
        linear = self._weight("linear", nn.initializers.lecun_normal(), (self.hidden_dim, self.features))
        gate = jax.nn.gelu(_dot(x, [w[0] for w in gating]), approximate=True)
        return _dot(gate * _dot(x, [w[1] for w in gating]), linear)

    def _weight(self, name: str, init: nn.initializers.Initializer, shape: tuple[int, ...]) -> list[jax.Array]:
        """The weight, followed by its two factors when there is an adapter."""
        weights = [self.param(name, init, shape)]
        if self.lora is not None:
            *batch, p, q = shape
            weights.append(self.param(f"{name}_lora_a", _FACTOR_INIT, (*batch, p, self.lora.rank)))
            weights.append(self.param(f"{name}_lora_b", _FACTOR_INIT, (*batch, self.lora.rank, q)))
        return weights


def _dot(x: jax.Array, weights: list[jax.Array]) -> jax.Array:
    w, *factors = (w.astype(x.dtype) for w in weights)
    out = x @ w
    if factors:
        a, b = factors
        out = out + (x @ a) @ b
    return out
