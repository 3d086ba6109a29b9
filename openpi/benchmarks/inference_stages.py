"""Where the time of one inference goes: its stages, each beside the least that the device needs for it."""

import dataclasses
import math
import pathlib
import time
from collections.abc import Callable
from typing import Any

import jax
import matplotlib.figure
import numpy as np

from openpi.benchmarks import roofline, sampling
from openpi.client import robot_observation
from openpi.config import build_transforms, load
from openpi.engine import flow_sampler, image_tower, present
from openpi.models import observation as observation_lib
from openpi.trainer import flops

STAGES = ("transforms", "upload", "image tower", "prefix", "denoise", "download")
_ROUNDS = 10


@dataclasses.dataclass(frozen=True)
class Stage:
    """One stage of one case.

    Attributes:
      seconds: median.
      operations: of its matrix products.
      bytes: that must be read at least: weights, and keys and values, once for each step; or that are moved.
      roofline: part of the measured time that the device would need at best; None: it is not the device's.
    """

    seconds: float
    operations: int
    bytes: int
    roofline: float | None


def measure(
    config: Any, sample: sampling.Sampling, best: roofline.Roofline, *, cameras: int, batch_size: int
) -> dict[str, Stage]:
    """The stages of a batch, by name, each waited for before the next begins."""
    model_input, noise = sampling.random_input(config, batch_size, cameras, 0)
    cut = present.present(model_input)
    moved = _bytes(cut) + noise.nbytes
    uploaded = jax.device_put(cut)
    tower_only = jax.jit(lambda plan, images: image_tower.embed(plan.tower, images))
    images = jax.numpy.concatenate(list(observation_lib.Observation.from_dict(uploaded).images.values()))
    seen = sampling.see(config, sample.plan, uploaded)
    actions = sampling.act(config, sample.plan, sample.schedule, seen, noise)
    steps = int(sample.schedule.num_steps)

    tower_time = _median(lambda: jax.block_until_ready(tower_only(sample.plan, images)))
    see_time = _median(lambda: jax.block_until_ready(sampling.see(config, sample.plan, uploaded)))
    act_time = _median(lambda: jax.block_until_ready(sampling.act(config, sample.plan, sample.schedule, seen, noise)))
    tower_operations = flops.of_program(image_tower.embed, sample.plan.tower, images)
    see_operations = flops.of_program(lambda plan, given: sampling.see(config, plan, given), sample.plan, uploaded)
    moment = jax.tree.map(lambda leaf: leaf[0], sample.schedule.moments)
    step_operations = flops.of_program(
        lambda plan, seen, x_t: flow_sampler.velocity(config, plan, seen, moment, x_t), sample.plan, seen, noise
    )
    step_bytes = _bytes(sample.plan.expert) + _bytes(sample.plan.heads) + _bytes(seen.keys_values)

    def on_device(seconds: float, operations: int, read: int) -> Stage:
        return Stage(seconds, operations, read, min(best.seconds(operations, read) / max(seconds, 1e-9), 1.0))

    return {
        "transforms": Stage(_transforms(batch_size), 0, 0, None),
        "upload": Stage(_median(lambda: jax.block_until_ready(jax.device_put(cut))), 0, moved, None),
        "image tower": on_device(tower_time, tower_operations, _bytes(sample.plan.tower)),
        "prefix": on_device(
            max(see_time - tower_time, 0.0), see_operations - tower_operations, _bytes(sample.plan.language)
        ),
        "denoise": on_device(act_time, steps * step_operations, steps * step_bytes),
        "download": Stage(_median(lambda: np.array(actions)), 0, actions.nbytes, None),
    }


def draw(path: pathlib.Path, cases: list[dict[str, Any]], title: str) -> None:
    """Stacked bars, one a case; `cases` as in the result: `name` and `stages`."""
    figure = matplotlib.figure.Figure(figsize=(9, 1.5 + 0.35 * len(cases)), layout="constrained")
    axes = figure.subplots()
    left = np.zeros(len(cases))
    for stage in STAGES:
        width = np.array([1000 * case["stages"][stage]["seconds"] for case in cases])
        axes.barh([case["name"] for case in cases], width, left=left, label=stage)
        left += width
    axes.invert_yaxis()
    axes.set_xlabel("ms")
    axes.set_title(title)
    axes.legend(ncols=3, fontsize="small")
    figure.savefig(path, dpi=100)


def _transforms(batch_size: int) -> float:
    """On the host: an ALOHA observation of 480 x 640 pixels to the model's input, and a chunk back to the robot."""
    config = load.load("experiments/aloha.py")
    config.model.image_size = 224
    built, rng = build_transforms.build(config), np.random.default_rng(0)
    into, out = built.inference_input(None), built.inference_output(None)
    observation = robot_observation.make_example(build_transforms.robot_of(config), rng)
    observation["images"] = {name: rng.integers(0, 256, (3, 480, 640), np.uint8) for name in observation["images"]}
    chunk = np.zeros((config.model.action_horizon, config.model.action_dim), np.float32)

    def both() -> None:
        for _ in range(batch_size):
            data = into(dict(observation))
            out({"state": np.asarray(data["state"], np.float32), "actions": chunk})

    return _median(both)


def _median(call: Callable[[], Any]) -> float:
    call()
    seconds = []
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return float(np.median(seconds))


def _bytes(tree: Any) -> int:
    return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))
