"""Measures the training step: the plain one, as the published system does it, beside what settings choose from.

    bazel run //openpi/benchmarks:train_step -- --json=PATH

All steps of a case take the same batches, in turn. Those that compute the plain step's numbers must agree with it. The
exit code is 1 when, for any model and batch, none of them reaches

    1.25 x the plain step's samples per second with no more memory, or its samples per second with 0.7 x its memory
"""

import dataclasses
import statistics
import time
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from absl import flags

from openpi.benchmarks import record, step_variants
from openpi.cli import program
from openpi.trainer import flops

_RECORD = record.Record("train_step", ("jax", "jaxlib", "flax", "optax", "numpy"))
_ROUNDS = flags.DEFINE_integer("rounds", 7, "Steps of each variant that are measured.", lower_bound=1)
_MODELS = flags.DEFINE_list("models", list(step_variants.MODELS), "Which models.")
_BATCHES = flags.DEFINE_list("batches", ["16", "32"], "Batch sizes.")

_TOLERANCE = 2e-3  # of loss and norms after a few steps, float32


def main(_: list[str]) -> int:
    """Compiles, checks, measures, prints and writes."""
    cases = []
    for name in _MODELS.value:
        for size in _BATCHES.value:
            cases.append(_measure(name, int(size)))
            print(_table(cases[-1]), flush=True)
    met = all(case["met_by"] for case in cases)
    result = {
        "targets": {"samples_per_second": 1.25, "or_memory": 0.7, "met": met},
        "cases": cases,
    }
    _RECORD.write(result, device=jax.devices()[0].device_kind)
    return 0 if met else 1


def _measure(name: str, size: int) -> dict[str, Any]:
    # A CPU has no bfloat16 of its own; and float32 shows that the variants agree.
    dtype = "float32" if jax.default_backend() == "cpu" else "bfloat16"
    config = dataclasses.replace(step_variants.MODELS[name], dtype=dtype)
    steps = [step_variants.Step(config, variant, size) for variant in step_variants.VARIANTS]
    seconds: list[list[float]] = [[] for _ in steps]
    for seed in range(2 + _ROUNDS.value):  # two to warm up
        batch = step_variants.random_batch(config, size, seed)
        metrics = []
        for i, step in enumerate(steps):
            began = time.perf_counter()
            metrics.append(step(batch))
            seconds[i].append(time.perf_counter() - began)
        if dtype == "float32":
            _check(steps, metrics)
    needed = flops.of_step(config, batch_size=size)
    rate = flops.peak(jax.devices()[0].device_kind)
    rows = [
        _row(step, timed[2:], size) | ({"mfu": needed / rate / statistics.median(timed[2:])} if rate else {})
        for step, timed in zip(steps, seconds)
    ]
    for row in rows:
        row["speed"] = row["samples_per_second"] / rows[0]["samples_per_second"]
        row["memory"] = row["temporary_mib"] / rows[0]["temporary_mib"]
    return {
        "model": name,
        "batch_size": size,
        "dtype": dtype,
        "image_resolution": list(config.image_resolution),
        "cameras": len(config.image_keys),
        "needed_gflop": needed / 1e9,
        "rows": rows,
        "met_by": [row["variant"] for row in rows[1:] if row["num_draws"] == 1 and _met(row)],
    }


def _met(row: Mapping[str, Any]) -> bool:
    return (row["speed"] >= 1.25 and row["memory"] <= 1.0) or (row["speed"] >= 1.0 and row["memory"] <= 0.7)


def _check(steps: Sequence[step_variants.Step], metrics: Sequence[dict[str, float]]) -> None:
    for step, found in zip(steps, metrics):
        for name, value in found.items():
            if step.variant.num_draws == 1 and not np.isclose(value, metrics[0][name], rtol=_TOLERANCE):
                raise RuntimeError(
                    f"{step.variant.name}: {name} is {value}, and {metrics[0][name]} in the plain step, whose numbers it has"
                )


def _row(step: step_variants.Step, seconds: Sequence[float], size: int) -> dict[str, Any]:
    return {
        "variant": step.variant.name,
        "num_draws": step.variant.num_draws,
        "seconds": record.spread(seconds),
        "samples_per_second": size / statistics.median(seconds),
        "temporary_mib": step.temporary_bytes / 2**20,
        # Matrix products as traced: with what is computed again, and loops' last layer as the others.
        "traced_gflop": step.operations / 1e9,
        "gflop_per_second": step.operations / 1e9 / statistics.median(seconds),
    }


def _table(case: dict[str, Any]) -> str:
    lines = [
        f"{case['model']}, batch {case['batch_size']}, {case['dtype']}, {case['needed_gflop']:.1f} GFLOP needed",
        f"{'':24}{'samples/s':>10}{'x':>7}{'MiB':>9}{'x':>7}{'GFLOP':>9}",
    ]
    for row in case["rows"]:
        lines.append(
            f"{row['variant']:24}{row['samples_per_second']:10.1f}{row['speed']:7.2f}{row['temporary_mib']:9.0f}"
            f"{row['memory']:7.2f}{row['traced_gflop']:9.1f}"
        )
    verdict = ", ".join(case["met_by"]) or "NOTHING"
    return "\n".join([*lines, f"targets met by {verdict}", ""])


if __name__ == "__main__":
    program.run(main)
