"""Inputs of a model's shapes and dtypes that mean nothing: for tests, compilation and examples."""

import abc

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from openpi.models import observation as observation_lib


class FakeInputs(abc.ABC):
    """Gives a model's configuration fake inputs."""

    @abc.abstractmethod
    def inputs_spec(self, batch_size: int = 1) -> tuple[observation_lib.Observation, jax.ShapeDtypeStruct]:
        """Shapes and dtypes of a batch of observations and actions."""

    def fake_obs(self, batch_size: int = 1) -> observation_lib.Observation:
        """An observation of ones."""
        return jax.tree.map(_ones, self.inputs_spec(batch_size)[0])

    def fake_act(self, batch_size: int = 1) -> Float[Array, "B H A"]:
        """Actions of ones."""
        return _ones(self.inputs_spec(batch_size)[1])


def _ones(spec: jax.ShapeDtypeStruct) -> Array:
    return jnp.ones(spec.shape, spec.dtype)
