"""Sampling of pi0-FAST by the engine: weights joined and folded, no black image looked at, one program for all tokens."""

import concurrent.futures
import functools
import os
from collections.abc import Collection, Sequence
from typing import Any

import jax
import numpy as np

from openpi.engine import fast_plan, fast_present, fast_sampler, present, quantization
from openpi.models import model as model_lib
from openpi.models import observation as observation_lib
from openpi.models import pi0_fast
from openpi.policies import fused_sampler, request_keys, sampler


class FusedTokenSampler(sampler.Sampler):
    """An autoregressive model, as the engine prepares it.

    One program reads, for each combination of images that are not black and each length of a prompt; one writes.
    """

    def __init__(
        self,
        config: pi0_fast.Pi0FastConfig,
        params: dict[str, Any],
        views: Sequence[Collection[str]] | None = None,
        quantize: str = "none",
    ):
        """Prepares the weights in the host's memory, so that the device never holds them twice.

        Args:
          config: the model.
          params: its parameters, with the published paths; not used afterwards.
          views: combinations of images, not black, that get a program of their own, see `fast_present`; None: all, always.
          quantize: one of `quantization.MODES`; a quantised model is all that the device ever holds.
        """
        self._config = config
        self._views = list(dict.fromkeys(tuple(view) for view in views or [config.image_keys]))
        self._device = jax.devices()[0]
        prepare = lambda params: quantization.quantize(fast_plan.prepare(config, params), quantize)
        plan = jax.jit(prepare)(jax.device_put(params, fused_sampler.host()))
        self._plan = jax.device_put(plan, self._device)

    @property
    def device(self) -> jax.Device:
        """Where the weights are."""
        return self._device

    def sample(self, rng, inputs, sampling, count):
        """See `sampler.Sampler`."""
        state = np.zeros((len(inputs["tokenized_prompt"]), 0), np.float32)  # the prompt tells it
        seen = {"state": state, **fast_present.present(inputs, self._views)}
        logits, text = _read(self._config, self._plan, seen, sampling.max_decoding_steps)
        return _write(self._config, self._plan, logits, text, rng, sampling, np.int32(count))

    def compile(self, rng, inputs, sampling):
        """See `sampler.Sampler`. Prompts with a gap, which no tokenizer makes, are compiled when they come."""
        images = inputs["image"]
        batches = [
            fast_present.only(
                {**inputs, "image": {key: np.full_like(images[key], key in view) for key in images}}, images, length
            )
            for view in self._views
            for length in present.lengths(inputs["tokenized_prompt"].shape[1])
        ]
        run = lambda batch: jax.block_until_ready(self.sample(rng, batch, sampling, 1))
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(run, batches))


@functools.partial(jax.jit, static_argnames=("config", "max_decoding_steps"))
def _read(
    config: pi0_fast.Pi0FastConfig, plan: fast_plan.Plan, inputs: dict[str, Any], max_decoding_steps: int
) -> tuple[jax.Array, fast_sampler.Text]:
    observation = observation_lib.Observation.from_dict(inputs)
    return fast_sampler.read(config, plan, observation, max_decoding_steps)


@functools.partial(jax.jit, static_argnames="config")
def _write(
    config: pi0_fast.Pi0FastConfig,
    plan: fast_plan.Plan,
    logits: jax.Array,
    text: fast_sampler.Text,
    rng: jax.Array,
    sampling: model_lib.TokenSampling,
    count: int,
) -> tuple[jax.Array, jax.Array]:
    rng, keys = request_keys.split(rng, len(logits), count)
    tokens = fast_sampler.decode(
        config,
        plan,
        logits,
        text,
        keys[0],
        max_decoding_steps=sampling.max_decoding_steps,
        temperature=jax.numpy.asarray(sampling.temperature),
    )
    return rng, tokens
