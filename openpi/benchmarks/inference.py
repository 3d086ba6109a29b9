"""Measures sampling: the engine beside the plain model, with all cameras and with one absent.

    bazel run //openpi/benchmarks:inference -- --json=PATH

Both sample in turn from the same fresh inputs, and must agree. The exit code is 1 when the engine is not 1.5 x as fast with all
three cameras, or not twice as fast with two of them (on a CPU, one robot, 10 steps).

With --stages, the time of each stage of the engine is measured as well, for all combinations of --cameras, --batch_sizes and
--steps; --png draws them. On a machine with a GPU, without Bazel, from the repository's root:

    PYTHONPATH=. python3 openpi/benchmarks/inference.py --models=full --stages --json=gpu.json --png=gpu.png
"""

import dataclasses
import itertools
import pathlib
import time
from typing import Any

import jax
import numpy as np
from absl import flags

from openpi.benchmarks import inference_stages, record, roofline, sampling
from openpi.cli import program

_RECORD = record.Record("inference", ("jax", "jaxlib", "flax", "numpy"))
_ROUNDS = flags.DEFINE_integer("rounds", 9, "Chunks of each way that are measured.", lower_bound=1)
_MODELS = flags.DEFINE_list("models", ["mid", "narrow"], f"Which models, of {', '.join(sampling.MODELS)}.")
_STEPS = flags.DEFINE_integer("num_steps", 10, "Steps of the flow.", lower_bound=1)
_STAGES = flags.DEFINE_bool("stages", False, "Measure the stages, too.")
_CAMERAS = flags.DEFINE_list("cameras", ["1", "2", "3"], "Of the stages: numbers of cameras.")
_BATCHES = flags.DEFINE_list("batch_sizes", ["1", "4", "8"], "Of the stages: numbers of rows.")
_STAGE_STEPS = flags.DEFINE_list("steps", ["5", "10", "50"], "Of the stages: numbers of steps.")
_PNG = flags.DEFINE_string("png", None, "File for a picture of the stages.")
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
        "cases": cases,
    }
    if _STAGES.value:
        result |= _stages()
    _RECORD.write(result, unsaid=["png"], device=jax.devices()[0].device_kind)
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
    if error > _TOLERANCE and sampling.MODELS[model]["dtype"] == "float32":
        raise RuntimeError(f"{model} {kind}, {cameras} cameras: the engine is {error:.1e} off the plain model")
    figures = {way: record.spread(timed[_WARM_UP:]) for way, timed in seconds.items()}
    return {
        "seconds": figures,
        "speed": figures["plain"]["median"] / figures["engine"]["median"],
        "error": error,
    }


def _stages() -> dict[str, Any]:
    """All cases; one line each."""
    cases = []
    ceilings = {
        dtype: roofline.measure(dtype) for dtype in {sampling.MODELS[model]["dtype"] for model in _MODELS.value}
    }
    print("\nms (of what the device would need at best, in %)")
    print(f"{'':34}" + "".join(f"{stage:>18}" for stage in inference_stages.STAGES))
    for model, kind, steps in _combinations(_MODELS.value, sampling.KINDS, map(int, _STAGE_STEPS.value)):
        config = sampling.config(model, kind)
        sample = sampling.Sampling(config, steps)
        for cameras, rows in _combinations(map(int, _CAMERAS.value), map(int, _BATCHES.value)):
            best = ceilings[config.dtype]
            stages = inference_stages.measure(config, sample, best, cameras=cameras, batch_size=rows)
            name = f"{model} {kind}, {cameras} cameras, batch {rows}, {steps} steps"
            cases.append({"name": name, "stages": {stage: dataclasses.asdict(each) for stage, each in stages.items()}})
            shown = [f"{1000 * each.seconds:.2f}" + _percent(each.roofline) for each in stages.values()]
            print(f"{name:44}" + "".join(f"{text:>18}" for text in shown), flush=True)
    device = jax.devices()[0].device_kind
    if _PNG.value:
        inference_stages.draw(pathlib.Path(_PNG.value), cases, f"One inference by stages, {device}")
    return {"roofline": {dtype: each._asdict() for dtype, each in ceilings.items()}, "stages": cases}


def _combinations(*values: Any) -> list[tuple[Any, ...]]:
    return list(itertools.product(*values))


def _percent(roofline_part: float | None) -> str:
    return "" if roofline_part is None else f" ({100 * roofline_part:.0f} %)"


if __name__ == "__main__":
    program.run(main)
