"""Measures weights of 8 bits: how far recorded observations' actions move, bytes, time, and success if it was evaluated.

    CHECKPOINT=checkpoints/aloha_reach/default
    for MODE in none int8 fp8 int8_dynamic; do
      bazel run //openpi/evaluate -- --checkpoint=$CHECKPOINT --quantize=$MODE --json=$MODE.json
    done
    bazel run //openpi/benchmarks:quantization -- --checkpoint=$CHECKPOINT --evaluation=none.json --evaluation=int8.json ...

Observations are frames of the checkpoint's dataset, evenly spread. Every mode answers each with the same noise; errors are against
the weights as they are (mode none), in parts of how far actions lead away from the state. What another noise changes is told
beside. The exit code is 1 when int8 is off by more than 5 % (root mean square), or the published pi0 takes 5 GiB.
"""

import json
import pathlib
from typing import Any

import jax
import numpy as np
from absl import flags

from openpi.benchmarks import quantization_cost, record
from openpi.checkpoints import layout, locate
from openpi.config import app, build_model, build_transforms, load, schema, table
from openpi.engine import quantization
from openpi.policies import create
from openpi.trainer import data_source
from openpi.transforms import prompt, transform

_RECORD = record.Record("quantization", ("jax", "jaxlib", "flax", "qwix", "numpy"))
_CHECKPOINT = flags.DEFINE_string("checkpoint", None, "A run's folder, or one of its steps.", required=True)
_FRAMES = flags.DEFINE_integer("frames", 100, "Observations.", lower_bound=1)
_EVALUATIONS = flags.DEFINE_multi_string("evaluation", [], "A results.json of //openpi/evaluate --quantize=...")

_PUBLISHED = ("pi0_droid", "pi05_droid", "pi0_fast_droid")
_GIB = 2**30
_LARGEST_ERROR, _LARGEST_PLAN = 0.05, 5 * _GIB


def main(config: schema.ConfigDict | None) -> int:
    """Measures, prints and writes."""
    step_dir = locate.find_step_dir(_CHECKPOINT.value)
    config = (create.load_config(step_dir) if config is None else config).copy_and_resolve_references()
    observations = _observations(config, step_dir)
    states = np.stack([each["state"] for each in observations])
    policies = {mode: create.create_policy(config, step_dir, quantize=mode) for mode in quantization.MODES}
    rng = np.random.default_rng(0)
    noise, other = rng.normal(size=(2, len(observations), *policies["none"].noise_shape))
    actions, seconds = quantization_cost.answer(policies, observations, noise)
    others, _ = quantization_cost.answer({"none": policies["none"]}, observations, other)
    model = build_model.build(config.model)
    rows: dict[str, dict[str, Any]] = {
        mode: {
            "error": quantization_cost.error(actions[mode], actions["none"], states),
            "seconds": seconds[mode],
            "time_ratio": seconds[mode]["median"] / seconds["none"]["median"],
            "plan_mib": quantization_cost.plan_bytes(model, mode) / 2**20,
        }
        for mode in quantization.MODES
    }
    published = {name: _published(name) for name in _PUBLISHED}
    met = rows["int8"]["error"]["rms"] <= _LARGEST_ERROR and published["pi0_droid"]["int8"] * _GIB < _LARGEST_PLAN
    result = {
        "targets": {"int8_rms_at_most": _LARGEST_ERROR, "pi0_gib_below": _LARGEST_PLAN / _GIB, "met": met},
        "config": config.name,
        "compute_dtype": config.model.dtype,
        "frames": len(observations),
        "modes": rows,
        "another_noise": quantization_cost.error(others["none"], actions["none"], states),
        "published_plan_gib": published,
        "evaluations": [_evaluation(path) for path in _EVALUATIONS.value],
    }
    for mode, row in rows.items():
        off = row["error"]
        print(
            f"{mode:14}{row['plan_mib']:8.2f} MiB {1000 * row['seconds']['median']:7.1f} ms   "
            f"rms {off['rms']:.2e} mean {off['mean']:.2e} max {off['max']:.2e}"
        )
    print(json.dumps({key: result[key] for key in ("another_noise", "published_plan_gib", "evaluations")}, indent=1))
    _RECORD.write(result, unsaid=["checkpoint", "evaluation"], device=jax.devices()[0].device_kind)
    return 0 if met else 1


def _observations(config: schema.ConfigDict, step_dir: pathlib.Path) -> list[dict[str, Any]]:
    """Frames of the dataset as a robot would send them."""
    config.data.cache = "none"
    dataset = data_source.open_dataset(config)
    tasks = data_source.tasks(config, dataset)
    repack = build_transforms.build(config, layout.codec_dir(step_dir)).repack.inputs
    road = transform.compose([*([] if tasks is None else [prompt.PromptFromTask(tasks)]), *repack])
    places = np.linspace(0, len(dataset) - 1, _FRAMES.value).astype(int)
    rows = [road(dataset[int(place)]) for place in places]
    return [{key: value for key, value in row.items() if key != "actions"} for row in rows]


def _published(name: str) -> dict[str, float]:
    """GiB of a released configuration's weights by mode."""
    config = build_model.build(load.load(table.config_path(name)).model)
    return {mode: quantization_cost.plan_bytes(config, mode) / _GIB for mode in quantization.MODES}


def _evaluation(path: str) -> dict[str, Any]:
    found = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    row = {key: value for key, value in found["rows"][0].items() if key != "episodes"}
    return {"quantize": found["conditions"]["quantize"], "episodes": found["conditions"]["episodes"], **row}


if __name__ == "__main__":
    app.define_config()
    app.run(main)
