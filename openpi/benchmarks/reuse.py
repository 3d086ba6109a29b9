"""Measures what is saved by not seeing the same images again: several chunks from one look, and images that are remembered.

    bazel run //openpi/benchmarks:reuse -- --json=PATH

On a machine with a GPU, without Bazel, from the repository's root:

    PYTHONPATH=. python3 openpi/benchmarks/reuse.py --models=full --json=gpu.json
"""

import itertools
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from absl import flags

from openpi.benchmarks import record, sampling
from openpi.cli import program
from openpi.models import model as model_lib
from openpi.models import pi0
from openpi.policies import fused_sampler

_RECORD = record.Record("reuse", ("jax", "jaxlib", "flax", "numpy"))
_ROUNDS = flags.DEFINE_integer("rounds", 9, "Inferences of each way that are measured.", lower_bound=1)
_MODELS = flags.DEFINE_list("models", ["mid"], f"Which models, of {', '.join(sampling.MODELS)}.")
_CANDIDATES = (4, 8)
_STEPS, _CAMERAS, _WARM_UP = 10, 3, 2


def main(_: list[str]) -> int:
    """Measures, prints and writes."""
    cases = []
    for model, kind in itertools.product(_MODELS.value, sampling.KINDS):
        seconds = _measure(sampling.config(model, kind))
        alone = seconds["1 chunk"]["median"]
        times = {way: each["median"] / alone for way, each in seconds.items()}
        cases.append({"model": model, "kind": kind, "seconds": seconds, "times_1_chunk": times})
        shown = ", ".join(f"{way} {1000 * seconds[way]['median']:.1f} ms ({times[way]:.2f} x)" for way in seconds)
        print(f"{model} {kind}: {shown}", flush=True)
    _RECORD.write({"num_steps": _STEPS, "cameras": _CAMERAS, "cases": cases}, device=jax.devices()[0].device_kind)
    return 0


def _measure(config: pi0.Pi0Config) -> dict[str, dict[str, float]]:
    """Seconds of each way, in turn."""
    dtype = jax.numpy.dtype(config.dtype)
    params = jax.jit(lambda key: jax.tree.map(lambda leaf: leaf.astype(dtype), pi0.init(config, key)))(
        jax.random.key(0)
    )
    model = fused_sampler.FusedSampler(config, params)
    remembers = fused_sampler.FusedSampler(config, params, max_kept=1)
    rng, repeated = jax.random.key(1), sampling.random_input(config, 1, _CAMERAS, 0)
    ways: dict[str, Callable[[Any, Any], Any]] = {
        "1 chunk": lambda inputs, noise: model.sample(rng, inputs, _sampling(noise), 1),
        "repeated images": lambda *_: remembers.sample(rng, repeated[0], _sampling(repeated[1]), 1),
    }
    for size in _CANDIDATES:
        ways[f"{size} chunks"] = lambda inputs, noise, size=size: model.explore(rng, inputs, _sampling(noise), size)
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for seed in range(_WARM_UP + _ROUNDS.value):
        inputs, noise = sampling.random_input(config, 1, _CAMERAS, seed)
        for way, call in ways.items():
            began = time.perf_counter()
            jax.block_until_ready(call(inputs, noise))
            seconds[way].append(time.perf_counter() - began)
    return {way: record.spread(timed[_WARM_UP:]) for way, timed in seconds.items()}


def _sampling(noise: np.ndarray) -> model_lib.FlowSampling:
    return model_lib.FlowSampling(np.int32(_STEPS), noise, np.ones((len(noise), 1, 1), np.bool_))


if __name__ == "__main__":
    program.run(main)
