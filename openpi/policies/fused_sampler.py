"""Sampling of pi0 and pi0.5 by the engine: weights joined and folded, only what is there computed."""

import collections
import concurrent.futures
import functools
import hashlib
import os
from collections.abc import Collection, Sequence
from typing import Any

import jax
import numpy as np

from openpi.engine import flow_candidates, flow_guidance, flow_plan, flow_sampler, flow_schedule, present, quantization
from openpi.models import model as model_lib
from openpi.models import observation as observation_lib
from openpi.models import pi0
from openpi.policies import request_keys, sampler

_MAX_SCHEDULES = 4  # numbers of steps whose part of the computation is kept


class FusedSampler(sampler.Sampler):
    """A flow model, as the engine prepares it.

    What is seen and what is done about it are two programs: one sees images and prompt, for each combination of cameras and
    each length of a prompt, and one makes the steps of the flow.
    """

    def __init__(
        self,
        config: pi0.Pi0Config,
        params: dict[str, Any],
        views: Sequence[Collection[str]] | None = None,
        max_kept: int = 0,
        quantize: str = "none",
    ):
        """Prepares the weights in the host's memory, so that the device never holds them twice.

        Args:
          config: the model.
          params: its parameters, with the published paths; not used afterwards.
          views: combinations of cameras that get a program of their own, see `present`; None: all cameras, always.
          max_kept: how many single requests' images and prompts are remembered, so that one that repeats them need not be seen
            again (a state of pi0 may be another).
          quantize: one of `quantization.MODES`; a quantised model is all that the device ever holds.
        """
        self._config = config
        self._max_kept = max_kept
        self._kept: collections.OrderedDict[bytes, flow_sampler.Prefix] = collections.OrderedDict()
        self._views = list(dict.fromkeys(tuple(view) for view in views or [config.image_keys]))
        self._device = jax.devices()[0]
        prepare = lambda params: quantization.quantize(flow_plan.prepare(config, params), quantize)
        plan = jax.jit(prepare)(jax.device_put(params, host()))
        self._plan = jax.device_put(plan, self._device)
        self._schedules: collections.OrderedDict[int, flow_schedule.Schedule] = collections.OrderedDict()

    @property
    def device(self) -> jax.Device:
        """Where the weights are."""
        return self._device

    def sample(self, rng, inputs, sampling, count):
        """See `sampler.Sampler`."""
        schedule = self._schedule(int(sampling.num_steps))
        seen = self._see(inputs)
        return _act(self._config, self._plan, schedule, seen, inputs["state"], rng, sampling, np.int32(count))

    def explore(self, rng, inputs, sampling, size):
        """See `sampler.Sampler`."""
        schedule = self._schedule(int(sampling.num_steps))
        seen = self._see(inputs)
        return _explore(self._config, self._plan, schedule, seen, inputs["state"], rng, sampling, size)

    def compile(self, rng, inputs, sampling):
        """See `sampler.Sampler`. Several programs are compiled at a time."""
        batches = [
            present.only(inputs, view, length)
            for view in self._views
            for length in present.lengths(inputs["tokenized_prompt"].shape[1])
        ]
        self._schedule(int(sampling.num_steps))
        run = lambda batch: jax.block_until_ready(self.sample(rng, batch, sampling, 1))
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(run, batches))

    def _see(self, inputs: dict[str, Any]) -> flow_sampler.Prefix:
        visible = present.present({key: value for key, value in inputs.items() if key != "state"}, self._views)
        if not self._max_kept or len(inputs["state"]) > 1:
            return _see(self._config, self._plan, visible)
        digest = hashlib.blake2b(digest_size=16)
        for path, leaf in jax.tree_util.tree_leaves_with_path(visible):
            digest.update(f"{path} {leaf.dtype} {leaf.shape}".encode())
            digest.update(np.ascontiguousarray(leaf).data)
        key = digest.digest()
        seen = self._kept.pop(key, None)
        if seen is None:
            seen = _see(self._config, self._plan, visible)
        self._kept[key] = seen
        while len(self._kept) > self._max_kept:
            self._kept.popitem(last=False)
        return seen

    def _schedule(self, num_steps: int) -> flow_schedule.Schedule:
        made = self._schedules.pop(num_steps, None)
        if made is None:
            made = flow_schedule.make(self._config, self._plan, num_steps)
        self._schedules[num_steps] = made
        while len(self._schedules) > _MAX_SCHEDULES:
            self._schedules.popitem(last=False)
        return made


def host() -> jax.Device:
    """The host's own memory, if jax has a backend for it: where parameters are best read to."""
    try:
        return jax.devices("cpu")[0]
    except RuntimeError:
        return jax.devices()[0]


@functools.partial(jax.jit, static_argnames="config")
def _see(config: pi0.Pi0Config, plan: flow_plan.Plan, visible: dict[str, Any]) -> flow_sampler.Prefix:
    stateless = np.zeros((len(visible["tokenized_prompt"]), 0), np.float32)
    observation = observation_lib.Observation.from_dict({"state": stateless, **visible})
    return flow_sampler.encode_prefix(config, plan, observation)


@functools.partial(jax.jit, static_argnames="config")
def _act(
    config: pi0.Pi0Config,
    plan: flow_plan.Plan,
    schedule: flow_schedule.Schedule,
    prefix: flow_sampler.Prefix,
    state: jax.Array,
    rng: jax.Array,
    sampling: model_lib.FlowSampling,
    count: int,
) -> tuple[jax.Array, jax.Array]:
    seen = flow_sampler.around(config, plan, prefix, state)
    rng, keys = request_keys.split(rng, len(sampling.noise), count)
    noise = request_keys.noise(keys, sampling)
    if sampling.guidance is None:
        return rng, flow_sampler.integrate(config, plan, schedule, seen, noise)
    return rng, flow_guidance.integrate(config, plan, schedule, seen, noise, sampling.guidance)


@functools.partial(jax.jit, static_argnames=("config", "size"))
def _explore(
    config: pi0.Pi0Config,
    plan: flow_plan.Plan,
    schedule: flow_schedule.Schedule,
    prefix: flow_sampler.Prefix,
    state: jax.Array,
    rng: jax.Array,
    sampling: model_lib.FlowSampling,
    size: int,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    seen = flow_sampler.around(config, plan, prefix, state)
    rng, (key,) = request_keys.split(rng, 1, 1)
    others = jax.vmap(lambda i: jax.random.fold_in(key, i))(np.arange(1, size))
    drawn = request_keys.noise(others, model_lib.FlowSampling(0, sampling.noise, np.bool_(False)))
    noise = jax.numpy.concatenate([request_keys.noise(key[None], sampling), drawn])
    return rng, *flow_candidates.integrate(config, plan, schedule, seen, noise)
