"""Sampling of pi0 and pi0.5 by the engine: weights joined and folded, only what is there computed."""

import collections
import concurrent.futures
import functools
import os
from collections.abc import Collection, Sequence
from typing import Any

import jax

from openpi.engine import flow_guidance, flow_plan, flow_sampler, flow_schedule, present
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

    def __init__(self, config: pi0.Pi0Config, params: dict[str, Any], views: Sequence[Collection[str]] | None = None):
        """Prepares the weights in the host's memory, so that the device never holds them twice.

        Args:
          config: the model.
          params: its parameters, with the published paths; not used afterwards.
          views: combinations of cameras that get a program of their own, see `present`; None: all cameras, always.
        """
        self._config = config
        self._views = list(dict.fromkeys(tuple(view) for view in views or [config.image_keys]))
        self._device = jax.devices()[0]
        plan = jax.jit(functools.partial(flow_plan.prepare, config))(jax.device_put(params, host()))
        self._plan = jax.device_put(plan, self._device)
        self._schedules: collections.OrderedDict[int, flow_schedule.Schedule] = collections.OrderedDict()

    @property
    def device(self) -> jax.Device:
        """Where the weights are."""
        return self._device

    def sample(self, rng, inputs, sampling, count):
        """See `sampler.Sampler`."""
        seen = _see(self._config, self._plan, present.present(inputs, self._views))
        return _act(self._config, self._plan, self._schedule(int(sampling.num_steps)), seen, rng, sampling, count)

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
def _see(config: pi0.Pi0Config, plan: flow_plan.Plan, inputs: dict[str, Any]) -> flow_sampler.Surroundings:
    return flow_sampler.surroundings(config, plan, observation_lib.Observation.from_dict(inputs))


@functools.partial(jax.jit, static_argnames="config")
def _act(
    config: pi0.Pi0Config,
    plan: flow_plan.Plan,
    schedule: flow_schedule.Schedule,
    seen: flow_sampler.Surroundings,
    rng: jax.Array,
    sampling: model_lib.FlowSampling,
    count: int,
) -> tuple[jax.Array, jax.Array]:
    rng, keys = request_keys.split(rng, len(sampling.noise), count)
    noise = request_keys.noise(keys, sampling)
    if sampling.guidance is None:
        return rng, flow_sampler.integrate(config, plan, schedule, seen, noise)
    return rng, flow_guidance.integrate(config, plan, schedule, seen, noise, sampling.guidance)
