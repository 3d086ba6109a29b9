"""Linear layers as inference holds them: one matrix, in the dtype it computes in or quantised."""

from typing import Any

import flax.struct
import jax
import qwix
from jaxtyping import Array, Float

from openpi.engine import quantized_dot


@flax.struct.dataclass
class Linear:
    """`x @ kernel + bias`; call it."""

    kernel: Float[Array, "D E"] | qwix.QArray  # quantised: with one scale an output
    bias: Float[Array, " E"] | None
    rounds_inputs: bool = flax.struct.field(pytree_node=False, default=False)  # see `quantized_dot`

    def __call__(self, x: Float[Array, "*B D"]) -> Float[Array, "*B E"]:
        if isinstance(self.kernel, qwix.QArray):
            y = quantized_dot.dot(x, self.kernel, rounds_inputs=self.rounds_inputs)
        else:
            y = x @ self.kernel
        return y if self.bias is None else y + self.bias

    def outputs_from(self, first: int) -> "Linear":
        """The layer without the outputs before this one."""
        return Linear(self.kernel[:, first:], None if self.bias is None else self.bias[first:], self.rounds_inputs)


def make(kernel: jax.Array, bias: jax.Array | None = None, *, dtype: Any) -> Linear:
    """A layer of these weights, rounded to `dtype` at last."""
    return Linear(kernel.astype(dtype), None if bias is None else bias.astype(dtype))
