"""The table of the vocabulary, as it is or quantised: tokens read and, of pi0-FAST, logits of those to write.

Axis letters: `V` vocabulary, `D` width.
"""

from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import qwix
from jaxtyping import Array, Float, Int

from openpi.engine import quantized_dot

Table: TypeAlias = Float[Array, "V D"] | qwix.QArray  # quantised: with one scale a token


def embed(table: Table, tokens: Int[Array, "*B"], dtype: Any) -> Float[Array, "*B D"]:
    """Tokens as the language model reads them, in its compute dtype."""
    rows = jax.tree.map(lambda leaf: leaf[tokens], table)
    if isinstance(rows, qwix.QArray):
        rows = qwix.dequantize(rows)
    return (rows * jnp.sqrt(rows.shape[-1]).astype(rows.dtype)).astype(dtype)


def logits(table: Table, encoded: Float[Array, "*B D"]) -> Float[Array, "*B V"]:
    """How likely each token comes next, behind the last norm."""
    if not isinstance(table, qwix.QArray):
        return encoded @ table.T
    return quantized_dot.dot(encoded, table, axis=1)
