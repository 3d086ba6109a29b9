"""Multiplication by a quantised matrix, which stays quantised in memory."""

import functools

import jax
import jax.numpy as jnp
import qwix
from jaxtyping import Array, Float


def dot(
    x: Float[Array, "*B D"], matrix: qwix.QArray, *, axis: int = 0, rounds_inputs: bool = False
) -> Float[Array, "*B E"]:
    """`x` times `matrix` [D, E], or [E, D] with `axis` 1, in the dtype of `x`.

    Args:
      x: what is multiplied.
      matrix: quantised with one scale for each of its E outputs; a constant to derivatives.
      axis: of `matrix`, that is summed over.
      rounds_inputs: whether `x` is rounded to the matrix's type as well, each row with a scale of its own. Derivatives are those
        without this rounding, which has none.
    """
    return _dot_of_rounded(axis, x, matrix) if rounds_inputs else _dot(axis, x, matrix)


def _dot(axis: int, x: jax.Array, matrix: qwix.QArray) -> jax.Array:
    # Behind the inputs, or compilers move the matrix, unpacked, out of the loop over steps and keep it in memory.
    return _multiply(axis, *jax.lax.optimization_barrier((x, matrix))).astype(x.dtype)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _dot_of_rounded(axis: int, x: jax.Array, matrix: qwix.QArray) -> jax.Array:
    inputs, matrix = jax.lax.optimization_barrier((x, matrix))
    rounded = qwix.quantize(inputs, matrix.qtype, channelwise_axes=range(x.ndim - 1), scale_dtype=jnp.float32)
    return _multiply(axis, rounded, matrix).astype(x.dtype)


@_dot_of_rounded.defjvp
def _dot_of_rounded_jvp(axis: int, primals: tuple, tangents: tuple) -> tuple[jax.Array, jax.Array]:
    y = _dot_of_rounded(axis, *primals)
    _, matrix = jax.lax.optimization_barrier(primals)
    return y, _multiply(axis, tangents[0], matrix).astype(y.dtype)


def _multiply(axis: int, x: jax.Array | qwix.QArray, matrix: qwix.QArray) -> jax.Array:
    return qwix.dot_general(x, matrix, (((x.ndim - 1,), (axis,)), ((), ())))
