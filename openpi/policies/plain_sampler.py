"""Sampling by the readable models of `openpi/models`: the reference."""

import functools
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float, Int

from openpi.models import model as model_lib
from openpi.models import observation as observation_lib
from openpi.policies import request_keys, sampler


class PlainSampler(sampler.Sampler):
    """Any model, as it was trained."""

    def __init__(self, config: model_lib.Config, params: dict[str, Any]):
        """Takes parameters with the published paths; moved once, to the one device they are on or the first."""
        params = jax.device_put(params)
        (self._device,) = jax.tree.leaves(params)[0].devices()
        self._config = config
        self._params = jax.device_put(params, self._device)

    @property
    def device(self) -> jax.Device:
        """Where the weights are."""
        return self._device

    def sample(self, rng, inputs, sampling, count):
        """See `sampler.Sampler`."""
        return sample(self._config, self._params, rng, inputs, sampling, np.int32(count))

    def compile(self, rng, inputs, sampling):
        """See `sampler.Sampler`."""
        jax.block_until_ready(self.sample(rng, inputs, sampling, 1))


@functools.partial(jax.jit, static_argnames="config")
def sample(
    config: model_lib.Config,
    params: dict[str, Any],
    rng: Array,
    inputs: dict,
    sampling: model_lib.FlowSampling | model_lib.TokenSampling,
    count: Int[Array, ""] | int = 1,
) -> tuple[Array, Float[Array, "B H A"] | Int[Array, "B T"]]:
    """As `Sampler.sample`; compiled once for all policies of the same sizes."""
    rng, keys = request_keys.split(rng, inputs["tokenized_prompt"].shape[0], count)
    if "state" not in inputs:  # pi0-FAST reads the state in its prompt
        inputs = {**inputs, "state": np.zeros((len(keys), 0), np.float32)}
    if isinstance(sampling, model_lib.FlowSampling):
        noise = request_keys.noise(keys, sampling)
        sampling = model_lib.FlowSampling(sampling.num_steps, noise, np.bool_(True), sampling.guidance)
    return rng, model_lib.sample(config, params, keys[0], observation_lib.Observation.from_dict(inputs), sampling)
