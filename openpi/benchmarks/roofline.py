"""What a device can do at best, as measured: products of large matrices, and reading memory."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp


class Roofline(NamedTuple):
    """Operations a second of matrix products in one dtype (a multiplication and an addition are two), and bytes a second."""

    operations: float
    bytes: float

    def seconds(self, operations: float, read: float) -> float:
        """The least time for so many operations and for reading so many bytes."""
        return max(operations / self.operations, read / self.bytes)


def measure(dtype: str, *, size: int | None = None) -> Roofline:
    """Of the first device.

    Args:
      dtype: of the matrices.
      size: of the square matrices; None: as large as suits the kind of device.
    """
    size = size or (2048 if jax.default_backend() == "cpu" else 8192)
    square = jnp.ones((size, size), dtype)
    long = jnp.ones((16 * size * size,), jnp.float32)
    product = best_seconds(jax.jit(lambda a: a @ a), square)
    total = best_seconds(jax.jit(jnp.sum), long)
    return Roofline(2 * size**3 / product, long.nbytes / total)


def best_seconds(function: Callable[..., Any], *args: Any, rounds: int = 10) -> float:
    """The shortest of some calls, compiled before."""
    jax.block_until_ready(function(*args))
    seconds = []
    for _ in range(rounds):
        began = time.perf_counter()
        jax.block_until_ready(function(*args))
        seconds.append(time.perf_counter() - began)
    return min(seconds)
