"""Linear layers as inference holds them: one matrix, in the dtype it computes in."""

from typing import Any

import flax.struct
import jax
from jaxtyping import Array, Float


@flax.struct.dataclass
class Linear:
    """`x @ kernel + bias`; call it."""

    kernel: Float[Array, "D E"]
    bias: Float[Array, " E"] | None

    def __call__(self, x: Float[Array, "*B D"]) -> Float[Array, "*B E"]:
        y = x @ self.kernel
        return y if self.bias is None else y + self.bias


def make(kernel: jax.Array, bias: jax.Array | None = None, *, dtype: Any) -> Linear:
    """A layer of these weights, rounded to `dtype` at last."""
    return Linear(kernel.astype(dtype), None if bias is None else bias.astype(dtype))
