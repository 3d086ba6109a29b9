"""Measures sampling: the engine beside the plain model, with all cameras and with one absent.

    bazel run //openpi/benchmarks:inference -- --json=PATH

Both sample in turn from the same fresh inputs, and must agree. The exit code is 1 when the engine is not 1.5 x as fast with all
three cameras, or not twice as fast with two of them (on a CPU, one robot, 10 steps).
"""

import time
from typing import Any

import jax
import numpy as np
from absl import flags

from openpi.benchmarks import record, sampling
from openpi.cli import program

_RECORD = record.Record("inference", ("jax", "jaxlib", "flax", "numpy"))
_ROUNDS = flags.DEFINE_integer("rounds", 9, "Chunks of each way that are measured.", lower_bound=1)
_MODELS = flags.DEFINE_list("models", list(sampling.MODELS), "Which models.")
_STEPS = flags.DEFINE_integer("num_steps", 10, "Steps of the flow.", lower_bound=1)
_BATCH = flags.DEFINE_integer("batch_size", 1, "Rows.", lower_bound=1)

_TARGETS = {3: 1.5, 2: 2.0}  # cameras → times the plain model's speed
_TOLERANCE = 1e-5  # of the actions' scale, float32
_WARM_UP = 2


def main(_: list[str]) -> int:
    """Compiles, checks, measures, prints and writes."""
    cases = []
    print(f"{'model':8}{'kind':6}{'cameras':>8}{'plain ms':>10}{'engine ms':>11}{'x':>7}{'error':>10}")
    for model in _MODELS.value:
        for kind in sampling.KINDS:
            sample = sampling.Sampling(sampling.config(model, kind), _STEPS.value)
            for cameras in _TARGETS:
                case = {"model": model, "kind": kind, "cameras": cameras, **_measure(sample, model, kind, cameras)}
                cases.append(case)
                plain, engine = (case["seconds"][way]["median"] * 1000 for way in sampling.WAYS)
                print(
                    f"{model:8}{kind:6}{cameras:8}{plain:10.1f}{engine:11.1f}{case['speed']:7.2f}{case['error']:10.1e}",
                    flush=True,
                )
    met = all(case["speed"] >= _TARGETS[case["cameras"]] for case in cases)
    result = {
        "targets": {f"{cameras} cameras": speed for cameras, speed in _TARGETS.items()} | {"met": met},
        "batch_size": _BATCH.value,
        "num_steps": _STEPS.value,
        "dtype": "float32",
        "cases": cases,
    }
    _RECORD.write(result, device=jax.devices()[0].device_kind)
    return 0 if met else 1


def _measure(sample: sampling.Sampling, model: str, kind: str, cameras: int) -> dict[str, Any]:
    seconds: dict[str, list[float]] = {way: [] for way in sampling.WAYS}
    error = 0.0
    for seed in range(_WARM_UP + _ROUNDS.value):
        model_input, noise = sampling.random_input(sampling.config(model, kind), _BATCH.value, cameras, seed)
        actions = {}
        for way in sampling.WAYS:
            began = time.perf_counter()
            actions[way] = sample(way, model_input, noise)
            seconds[way].append(time.perf_counter() - began)
        error = max(error, float(np.abs(actions["engine"] - actions["plain"]).max() / np.abs(actions["plain"]).max()))
    if error > _TOLERANCE:
        raise RuntimeError(f"{model} {kind}, {cameras} cameras: the engine is {error:.1e} off the plain model")
    figures = {way: record.spread(timed[_WARM_UP:]) for way, timed in seconds.items()}
    return {
        "seconds": figures,
        "speed": figures["plain"]["median"] / figures["engine"]["median"],
        "error": error,
    }


if __name__ == "__main__":
    program.run(main)
