"""Measures what a checkpoint costs the training that goes on.

    bazel run //openpi/benchmarks:checkpointing -- --json=PATH

Each round does some steps without a save, then a save and as many steps, until the checkpoint is complete. The exit code is 1
when for any model a save keeps the loop longer, in the median, than

    stall    1 step
"""

import dataclasses
import pathlib
import statistics
import tempfile
import time
from typing import Any

import jax
from absl import flags, logging

from openpi.benchmarks import record, step_variants
from openpi.checkpoints import layout, manager, step_writer
from openpi.cli import program
from openpi.trainer import state as state_lib

_RECORD = record.Record("checkpointing", ("jax", "jaxlib", "orbax-checkpoint", "tensorstore", "numpy"))
_ROUNDS = flags.DEFINE_integer("rounds", 5, "Saves that are measured.", lower_bound=1)
_STEPS = flags.DEFINE_integer("steps", 5, "Steps between them.", lower_bound=1)
_MODELS = flags.DEFINE_list("models", list(step_variants.MODELS), "Which models.")
_BATCH = flags.DEFINE_integer("batch", 16, "Samples of a step.", lower_bound=1)

_VARIANT = step_variants.Variant("remat none", "none")


def main(_: list[str]) -> int:
    """Measures, prints and writes."""
    logging.set_verbosity(logging.WARNING)  # orbax tells much at INFO
    cases = []
    for name in _MODELS.value:
        cases.append(_measure(name))
        print(_line(cases[-1]), flush=True)
    met = all(case["stall_in_steps"] <= 1 for case in cases)
    result = {
        "targets": {"stall_in_steps": 1, "met": met},
        "cases": cases,
    }
    _RECORD.write(result, device=jax.devices()[0].device_kind)
    return 0 if met else 1


def _measure(name: str) -> dict[str, Any]:
    dtype = "float32" if jax.default_backend() == "cpu" else "bfloat16"
    config = dataclasses.replace(step_variants.MODELS[name], dtype=dtype)
    step = step_variants.Step(config, _VARIANT, _BATCH.value)
    batch = step_variants.random_batch(config, _BATCH.value, 0)
    alone, stalls, during, writing = [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        run, _ = manager.open_run(pathlib.Path(folder) / "run", overwrite=False, resume=False, keep_period=None)
        for number in range(1 + _ROUNDS.value):  # one to warm up
            plain = [_seconds(step, batch) for _ in range(_STEPS.value)]
            began = time.perf_counter()
            _save(run, number, step.state)
            stall = time.perf_counter() - began
            with_save = [_seconds(step, batch) for _ in range(_STEPS.value)]
            run.wait_until_finished()
            total = time.perf_counter() - began
            if number:
                alone += plain
                during += with_save
                stalls.append(stall)
                writing.append(total)
        run.close()
        size = sum(file.stat().st_size for file in (run.directory / str(_ROUNDS.value)).rglob("*") if file.is_file())
        assert layout.complete_steps(run.directory) == [_ROUNDS.value]
    seconds = statistics.median(alone)
    return {
        "model": name,
        "batch": _BATCH.value,
        "checkpoint_mib": size / 2**20,
        "step_s": seconds,
        "stall_s": {"median": statistics.median(stalls), "max": max(stalls)},
        "stall_in_steps": statistics.median(stalls) / seconds,
        "step_after_a_save_s": statistics.median(during),
        "save_to_complete_s": statistics.median(writing),
    }


def _seconds(step: step_variants.Step, batch: Any) -> float:
    began = time.perf_counter()
    step(batch)
    return time.perf_counter() - began


def _save(run: step_writer.StepWriter, number: int, state: state_lib.TrainState) -> None:
    params, train_state = state_lib.to_items(state)
    manager.save(run, number, params=params, train_state=train_state, config="{}")


def _line(case: dict[str, Any]) -> str:
    return (
        f"{case['model']}: {case['checkpoint_mib']:.0f} MiB; a step takes {case['step_s']:.3f} s, a save keeps the loop "
        f"{case['stall_s']['median']:.3f} s ({case['stall_in_steps']:.2f} steps; at most {case['stall_s']['max']:.3f} s), steps "
        f"after it take {case['step_after_a_save_s']:.3f} s, and it is complete after {case['save_to_complete_s']:.2f} s"
    )


if __name__ == "__main__":
    program.run(main)
