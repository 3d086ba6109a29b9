"""Measures what bounds the policy server's figures: the library below it, the wait for a processor, the model's own gain.

    bazel run //openpi/benchmarks:serving_floor -- --json=PATH

One client's latency, of the server and of the same library without it, in turn, and how long the server's threads stood in
the kernel's queue meanwhile: what the tail is made of. Then the small model alone, without any server, in batches: at most
what batching can gain here. There are no targets.
"""

import asyncio
import json
import time
from typing import Any

import jax
import numpy as np
from absl import flags

from openpi.benchmarks import record, serving_load, serving_server
from openpi.cli import program
from openpi.client import msgpack_numpy

_RECORD = record.Record("serving_floor", ("jax", "numpy", "websockets", "msgpack"))
_ROUNDS = flags.DEFINE_integer("rounds", 10, "Rounds of each, in turn.", lower_bound=1)
_REQUESTS = flags.DEFINE_integer("requests", 1000, "Of each round.", lower_bound=10)
_BATCHES = flags.DEFINE_integer("batches", 30, "Of each size.", lower_bound=3)
_SIZES = (1, 2, 4, 8)


def main(_: list[str]) -> int:
    """Measures, prints and writes."""
    result = {"one_client": _one_client(), "model_alone": _model_alone()}
    print(json.dumps(result, indent=1))
    _RECORD.write(result, device=jax.devices()[0].device_kind)
    return 0


def _one_client() -> dict[str, list[dict[str, float]]]:
    """Round by round: milliseconds beyond the model's, and those in the kernel's queue, a request."""
    messages = serving_server.observations("no-op", 32)
    rounds: dict[str, list[dict[str, float]]] = {"floor": [], "no-op": []}
    with serving_server.start("floor") as floor, serving_server.start("no-op") as ours:
        for number in range(_ROUNDS.value + 1):
            for name, server in (("floor", floor), ("no-op", ours)):
                queued = server.queued_ms()
                trips, inferences = asyncio.run(serving_load.latencies(server.port, messages, _REQUESTS.value))
                beyond = record.spread([trip - inference for trip, inference in zip(trips, inferences, strict=True)])
                queued = server.queued_ms() - queued
                if number:  # the first is for warmth
                    rounds[name].append({**beyond, "queued_ms": queued / _REQUESTS.value})
    return rounds


def _model_alone() -> list[dict[str, Any]]:
    """Observations a second of the small model in batches, and how many times those one by one."""
    policy = serving_server.small_policy()
    policy.warmup(_SIZES[-1])
    observations = [msgpack_numpy.unpackb(message) for message in serving_server.observations("small", _SIZES[-1])]
    seconds: dict[int, list[float]] = {size: [] for size in _SIZES}
    for _ in range(_BATCHES.value + 1):
        for size in _SIZES:
            start = time.perf_counter()
            policy.infer_batch(observations[:size])
            seconds[size].append(time.perf_counter() - start)
    medians = {size: float(np.median(times[1:])) for size, times in seconds.items()}
    return [
        {"size": size, "ms": 1000 * median, "per_s": size / median, "gain": size * medians[1] / median}
        for size, median in medians.items()
    ]


if __name__ == "__main__":
    program.run(main)
