"""The memory planner: how near it comes to what steps really take on this machine, and what it says of the published sizes.

    bazel run //openpi/benchmarks:memory_plan -- --json=PATH

Each case that is measured runs in a fresh process of its own, three steps on a CPU; the plan is made before, of shapes alone.
The exit code is 1 when a plan is more than 10 % off. The published sizes are planned as //openpi/train:plan does, for
accelerators, which this program does not need.
"""

import concurrent.futures
import json
import multiprocessing
from collections.abc import Callable
from typing import Any

import jax
from absl import flags

from openpi.benchmarks import record, step_memory
from openpi.cli import program
from openpi.config import load, schema, table
from openpi.trainer import plan, plan_batch, plan_report

_RECORD = record.Record("memory_plan", ("jax", "jaxlib", "flax", "optax"))
_JOBS = flags.DEFINE_integer("jobs", 1, "Processes at a time; each measures itself alone.", lower_bound=1)

_MEASURED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("mid", {"batch_size": 8}),
    ("mid", {"batch_size": 16}),
    ("mid", {"batch_size": 16, "model.remat": "dots"}),
    ("mid", {"batch_size": 32, "model.remat": "full"}),
    ("mid", {"batch_size": 16, "accumulation_steps": 2, "ema_decay": 0.0}),
    ("small", {"batch_size": 32}),
)
_OFF = 0.1
# Released configuration, what is changed, and the GiB of a device that it might run on.
_PUBLISHED: tuple[tuple[str, dict[str, Any], int], ...] = (
    ("pi0_libero_low_mem_finetune", {}, 24),
    ("pi0_libero_low_mem_finetune", {"accumulation_steps": 4}, 24),
    ("pi0_libero", {}, 80),
    ("pi05_libero", {"batch_size": 32}, 80),
    ("pi05_libero", {"batch_size": 256, "fsdp_devices": 8}, 80),
)
_SERVED = ("pi0_droid", "pi05_droid", "pi0_fast_droid")
USABLE = 0.9  # as //openpi/train:plan


def main(_: list[str]) -> int:
    """Measures, plans, prints and writes."""
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(_JOBS.value, context, max_tasks_per_child=1) as pool:
        measuring = [pool.submit(_on_cpus, 1, step_memory.measure, *case) for case in _MEASURED]
        planning = [pool.submit(_on_cpus, case[1].get("fsdp_devices", 1), plan_one, *case) for case in _PUBLISHED]
        serving = {name: pool.submit(_on_cpus, 1, serve_one, name) for name in _SERVED}
        measured = [_row(*case, job.result()) for case, job in zip(_MEASURED, measuring, strict=True)]
        planned = [job.result() for job in planning]
        served = {name: job.result() for name, job in serving.items()}
    print("\n".join(json.dumps(row) for row in [*measured, *planned, served]))
    met = all(abs(row["ratio"] - 1) <= _OFF for row in measured)
    result = {
        "targets": {"off_by_at_most": _OFF, "met": met},
        "unit": "GiB on each device",
        "measured": measured,
        "planned": planned,
        "served": served,
        "usable": USABLE,
        "published_gb": plan_report.PUBLISHED,
    }
    _RECORD.write(result)
    print(f"{'within' if met else 'NOT within'} {100 * _OFF:.0f} % of what was measured")
    return 0 if met else 1


def plan_one(name: str, settings: dict[str, Any], device: int) -> dict[str, Any]:
    """The plan of a released configuration, and the largest batch on a device of so many GiB."""
    config = _configuration(name, settings)
    first = plan.of_training(config)
    limit = int(USABLE * device * plan_report.GIB)

    def need(batch_size: int) -> int:
        return plan.of_training(_configuration(name, {**settings, "batch_size": batch_size})).peak

    known = {first.batch_size: first.peak}
    step = first.devices * config.accumulation_steps
    largest = plan_batch.largest(
        lambda size: known[size] if size in known else need(size), limit, step=step, first=first.batch_size
    )
    sizes = ("trained", "frozen", "optimizer", "average", "gradients", "activations", "batches", "loaded", "peak")
    return {
        "config": name,
        "kind": plan_report.kind(config),
        **settings,
        "batch_size": first.batch_size,
        "devices": first.devices,
        **{size: getattr(first, size) / plan_report.GIB for size in sizes},
        "device_gib": device,
        "largest_batch": largest,
    }


def serve_one(name: str) -> float:
    """GiB that serving a released configuration's model takes."""
    return plan.of_inference(_configuration(name, {})).peak / plan_report.GIB


def _configuration(name: str, settings: dict[str, Any]) -> schema.ConfigDict:
    config = load.load(table.config_path(name))
    config.update_from_flattened_dict(settings)
    return config


def _row(model: str, settings: dict[str, Any], found: dict[str, float]) -> dict[str, Any]:
    sizes = {key: value / plan_report.GIB for key, value in found.items()}
    return {"model": model, **settings, **sizes, "ratio": found["planned"] / found["measured"]}


def _on_cpus(devices: int, function: Callable[..., Any], *args: Any) -> Any:
    """Calls the function, in a process that has done nothing else, where JAX sees so many devices."""
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_num_cpu_devices", devices)
    return function(*args)


if __name__ == "__main__":
    program.run(main)
