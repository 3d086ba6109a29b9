"""One pi0-FAST model that writes tokens in both ways, the plain one and the engine's, on the same random inputs."""

import functools
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from openpi.benchmarks import sampling
from openpi.engine import fast_plan, fast_present, fast_sampler
from openpi.models import observation, pi0_fast

MODELS = tuple(sampling.MODELS)


def config(model: str) -> pi0_fast.Pi0FastConfig:
    """The sizes of one of MODELS, without an action expert."""
    return pi0_fast.Pi0FastConfig(**{part: size for part, size in sampling.MODELS[model].items() if part != "expert"})


class Sampling:
    """Random weights of a model, in its compute dtype, ready to write in either way."""

    def __init__(self, config: pi0_fast.Pi0FastConfig):
        self._config = config
        self._params = jax.jit(functools.partial(_random_params, config))(jax.random.key(0))
        self._plan = jax.jit(functools.partial(fast_plan.prepare, config))(self._params)

    @property
    def weights_per_token(self) -> int:
        """Bytes of weights that each token has the engine read, whatever the number of rows."""
        return sum(leaf.nbytes for leaf in jax.tree.leaves((self._plan.language, self._plan.embedding)))

    def __call__(self, way: str, model_input: dict[str, Any], max_decoding_steps: int) -> tuple[np.ndarray, float]:
        """The likeliest tokens for a batch of model inputs, and the seconds until they were there."""
        began = time.perf_counter()
        if way == "plain":
            tokens = _plain(self._config, self._params, model_input, max_decoding_steps)
        else:
            read = _read(self._config, self._plan, fast_present.present(model_input), max_decoding_steps)
            tokens = _decode(self._config, self._plan, *read, max_decoding_steps)
        return np.asarray(tokens), time.perf_counter() - began


def random_input(config: pi0_fast.Pi0FastConfig, batch_size: int, cameras: int, seed: int) -> dict[str, Any]:
    """Model inputs whose first `cameras` show something and whose others are black, as robots show those that they lack.

    Prompts have a third of the longest.
    """
    rng, rows = np.random.default_rng(seed), batch_size
    tokens, shown = (rows, config.max_token_len), (rows, *config.image_resolution, 3)
    images = {key: rng.integers(0, 256, shown, np.uint8) for key in config.image_keys}
    return {
        "image": {key: images[key] * np.uint8(i < cameras) for i, key in enumerate(config.image_keys)},
        "image_mask": {key: np.ones(rows, bool) for key in config.image_keys},
        "state": np.zeros((rows, 0), np.float32),
        "tokenized_prompt": rng.integers(2, config.vocab_size, tokens, np.int32),
        "tokenized_prompt_mask": np.tile(np.arange(tokens[1]) < tokens[1] // 3, (rows, 1)),
        "token_ar_mask": np.zeros(tokens, np.int32),
    }


def _random_params(config: pi0_fast.Pi0FastConfig, key: jax.Array) -> Any:
    """In the compute dtype; none at its initial zero."""
    leaves, structure = jax.tree.flatten(pi0_fast.init(config, key))
    noise = [0.02 * jax.random.normal(jax.random.fold_in(key, i), leaf.shape) for i, leaf in enumerate(leaves)]
    dtype = jnp.dtype(config.dtype)
    return jax.tree.unflatten(structure, [(leaf + change).astype(dtype) for leaf, change in zip(leaves, noise)])


@functools.partial(jax.jit, static_argnums=(0, 3))
def _plain(config, params, model_input, max_decoding_steps):
    seen = observation.Observation.from_dict(model_input)
    return pi0_fast.sample_actions(config, params, jax.random.key(0), seen, max_decoding_steps=max_decoding_steps)


@functools.partial(jax.jit, static_argnums=(0, 3))
def _read(config, plan, model_input, max_decoding_steps):
    return fast_sampler.read(config, plan, observation.Observation.from_dict(model_input), max_decoding_steps)


@functools.partial(jax.jit, static_argnums=(0, 4))
def _decode(config, plan, logits, text, max_decoding_steps):
    rng = jax.random.key(0)
    return fast_sampler.decode(config, plan, logits, text, rng, max_decoding_steps=max_decoding_steps, temperature=0.0)
