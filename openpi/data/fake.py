"""Random samples of a model's input shapes: for trying out programs without data."""

from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

# The order in which an item's random numbers are drawn; images and their masks by sorted name.
_ORDER = (
    "image",
    "image_mask",
    "state",
    "tokenized_prompt",
    "tokenized_prompt_mask",
    "token_ar_mask",
    "token_loss_mask",
    "actions",
)


class FakeDataset:
    """Item i depends on i alone: float32 uniform in [-1, 1), int32 in [0, 2048), everything else (masks) zeros."""

    def __init__(self, spec: Mapping[str, Any], length: int = 1024) -> None:
        """Args:
          spec: the batch's dictionary form ("image" -> name, "image_mask" -> name, "state", ..., "actions") with leaves
            that have the `shape` and `dtype` of one sample.
          length: number of items.

        Raises:
          ValueError: `spec` has a key that no model takes.
        """
        unknown = spec.keys() - set(_ORDER)
        if unknown:
            raise ValueError(f"no model takes {sorted(unknown)}; fake data can have {', '.join(_ORDER)}")
        self._spec, self._length = spec, length
        self._draw = jax.jit(self._sample)

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> dict[str, Any]:
        if not 0 <= index < self._length:
            raise IndexError(f"item {index} of a dataset of {self._length}")
        return jax.tree.map(np.asarray, self._draw(index))

    def _sample(self, index: jax.Array) -> dict[str, Any]:
        keys = _running_keys(jax.random.key(index))
        item: dict[str, Any] = {}
        for name in _ORDER:
            value = self._spec.get(name)
            if isinstance(value, Mapping):
                item[name] = {key: _draw(next(keys), value[key]) for key in sorted(value)}
            elif value is not None:
                item[name] = _draw(next(keys), value)
        return item


def _running_keys(rng: jax.Array) -> Iterator[jax.Array]:
    while True:
        rng, key = jax.random.split(rng)
        yield key


def _draw(key: jax.Array, spec: Any) -> jax.Array:
    if spec.dtype == jnp.float32:
        return jax.random.uniform(key, spec.shape, minval=-1.0, maxval=1.0)
    if spec.dtype == jnp.int32:
        return jax.random.randint(key, spec.shape, minval=0, maxval=2048)
    return jnp.zeros(spec.shape, spec.dtype)
