"""One model that samples in both ways, the plain one and the engine's, on the same random inputs."""

import functools
from typing import Any

import jax
import numpy as np

from openpi.engine import flow_plan, flow_sampler, flow_schedule, present
from openpi.models import gemma, observation, pi0, siglip

_SMALL: dict[str, Any] = {"vocab_size": 2000, "dtype": "float32"}
# Image tower of 256 patches a camera, as published. "narrow" has the depths of the published model, "full" is that model.
MODELS: dict[str, dict[str, Any]] = {
    "mid": {
        **_SMALL,
        "siglip": siglip.SiglipConfig(256, 4, 1024, 4, (14, 14), "sincos2d", "lecun"),
        "language": gemma.GemmaConfig(256, 8, 1024, 4, 1, 64),
        "expert": gemma.GemmaConfig(128, 8, 512, 4, 1, 64),
    },
    "narrow": {
        **_SMALL,
        "siglip": siglip.SiglipConfig(64, 27, 128, 4, (14, 14), "sincos2d", "lecun"),
        "language": gemma.GemmaConfig(64, 18, 256, 8, 1, 16),
        "expert": gemma.GemmaConfig(32, 18, 128, 8, 1, 16),
    },
    "full": {
        "siglip": siglip.SiglipConfig(1152, 27, 4304, 16, (14, 14), "sincos2d", "lecun"),
        "language": gemma.GemmaConfig(2048, 18, 16384, 8, 1, 256),
        "expert": gemma.GemmaConfig(1024, 18, 4096, 8, 1, 256),
        "vocab_size": 257152,
        "dtype": "bfloat16",
    },
}
KINDS: dict[str, dict[str, Any]] = {
    "pi0": {"pi05": False, "max_token_len": 48},
    "pi05": {"pi05": True, "max_token_len": 200},
}
WAYS = ("plain", "engine")


def config(model: str, kind: str) -> pi0.Pi0Config:
    """One of MODELS as one of KINDS."""
    return pi0.Pi0Config(**MODELS[model], **KINDS[kind])


class Sampling:
    """Random weights of a model, ready to sample in either way.

    Args:
      config: of the model.
      num_steps: of the flow.
    """

    def __init__(self, config: pi0.Pi0Config, num_steps: int):
        self._config, self._num_steps = config, np.int32(num_steps)
        self._params = jax.jit(functools.partial(_random_params, config))(jax.random.key(0))
        self.plan = jax.jit(functools.partial(flow_plan.prepare, config))(self._params)
        self.schedule = flow_schedule.make(config, self.plan, num_steps)

    def __call__(self, way: str, model_input: dict[str, Any], noise: np.ndarray) -> np.ndarray:
        """Action chunks of a batch of model inputs, once they are there."""
        if way == "plain":
            return np.asarray(_plain(self._config, self._params, model_input, noise, self._num_steps))
        seen = see(self._config, self.plan, present.present(model_input))
        return np.asarray(act(self._config, self.plan, self.schedule, seen, noise))


def random_input(config: pi0.Pi0Config, batch_size: int, cameras: int, seed: int) -> tuple[dict[str, Any], np.ndarray]:
    """Model inputs that have the first `cameras` and prompts of two thirds of the longest; and noise."""
    rng, rows = np.random.default_rng(seed), batch_size
    tokens, shown = (rows, config.max_token_len), (rows, *config.image_resolution, 3)
    model_input = {
        "image": {key: rng.integers(0, 256, shown, np.uint8) for key in config.image_keys},
        "image_mask": {key: np.full(rows, i < cameras) for i, key in enumerate(config.image_keys)},
        "state": rng.normal(size=(rows, config.action_dim)).astype(np.float32),
        "tokenized_prompt": rng.integers(0, config.vocab_size, tokens, np.int32),
        "tokenized_prompt_mask": np.tile(np.arange(tokens[1]) < tokens[1] * 2 // 3, (rows, 1)),
    }
    return model_input, rng.normal(size=(rows, config.action_horizon, config.action_dim)).astype(np.float32)


def _random_params(config: pi0.Pi0Config, key: jax.Array) -> Any:
    """In the compute dtype; none at its initial zero."""
    leaves, structure = jax.tree.flatten(pi0.init(config, key))
    noise = [0.02 * jax.random.normal(jax.random.fold_in(key, i), leaf.shape) for i, leaf in enumerate(leaves)]
    dtype = jax.numpy.dtype(config.dtype)
    return jax.tree.unflatten(structure, [(leaf + change).astype(dtype) for leaf, change in zip(leaves, noise)])


@functools.partial(jax.jit, static_argnums=0)
def _plain(config, params, model_input, noise, num_steps):
    seen = observation.Observation.from_dict(model_input)
    return pi0.sample_actions(config, params, jax.random.key(0), seen, num_steps=num_steps, noise=noise)


@functools.partial(jax.jit, static_argnums=0)
def see(config: pi0.Pi0Config, plan: flow_plan.Plan, model_input: dict[str, Any]) -> flow_sampler.Surroundings:
    """The engine's first part: images and prompt."""
    return flow_sampler.surroundings(config, plan, observation.Observation.from_dict(model_input))


@functools.partial(jax.jit, static_argnums=0)
def act(
    config: pi0.Pi0Config,
    plan: flow_plan.Plan,
    schedule: flow_schedule.Schedule,
    seen: flow_sampler.Surroundings,
    noise: jax.Array,
) -> jax.Array:
    """The engine's second part: the steps of the flow."""
    return flow_sampler.integrate(config, plan, schedule, seen, noise)
