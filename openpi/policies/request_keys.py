"""A random key for each request of a batch, in the order that requests one by one would split them."""

import jax
from jaxtyping import Array, Float, Int

from openpi.models import model as model_lib


def split(rng: Array, size: int, count: Int[Array, ""] | int) -> tuple[Array, Array]:
    """The key to use next, after `count` requests, and the keys of `size` rows."""

    def step(rng: Array, _: None) -> tuple[Array, tuple[Array, Array]]:
        rng, key = jax.random.split(rng)
        return rng, (rng, key)

    _, (rngs, keys) = jax.lax.scan(step, rng, length=size)
    return rngs[count - 1], keys


def noise(keys: Array, sampling: model_lib.FlowSampling) -> Float[Array, "B H A"]:
    """Where each row starts: its own noise if it has some, else what its key draws."""
    shape = (1, *sampling.noise.shape[1:])
    drawn = jax.vmap(lambda key: jax.random.normal(key, shape)[0])(keys)
    return jax.numpy.where(sampling.noise_given, sampling.noise, drawn)
