"""The memory that steps of training really take on this machine's CPU, beside what the planner says of them."""

import ctypes
import pathlib
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from openpi.config import load, schema
from openpi.trainer import plan, setup, sharding

# Towers and experts of the step benchmark's two models, on three cameras of 224 pixels.
MODELS: Mapping[str, Mapping[str, Any]] = {
    "small": {},
    "mid": {
        **{f"model.siglip.{field}": value for field, value in {"width": 256, "depth": 4, "mlp_dim": 1024}.items()},
        **{f"model.{expert}.{field}": value for expert in ("language", "expert") for field, value in {"depth": 8, "num_heads": 4, "head_dim": 64}.items()},
        "model.language.width": 256,
        "model.language.mlp_dim": 1024,
        "model.expert.width": 128,
        "model.expert.mlp_dim": 512,
    },
}  # fmt: skip
_STEPS = 3


def configuration(model: str, settings: Mapping[str, Any]) -> schema.ConfigDict:
    """The small task's configuration with a model of `MODELS` and what `settings` change, on random inputs."""
    config = load.load("experiments/aloha.py:aloha_reach")
    cameras = ("base_0_rgb", "left_wrist_0_rgb", "right_wrist_0_rgb")
    config.update_from_flattened_dict(
        {"data.kind": "fake", "noise_draws": 1, "model.image_keys": cameras, **MODELS[model], **settings}
    )
    return config


def measure(model: str, settings: Mapping[str, Any]) -> dict[str, float]:
    """Bytes that a few steps take at most, beside the plan. Call it in a fresh process: what was freed before is used again."""
    config = configuration(model, settings)
    planned = plan.of_training(config, here=True)
    parts = setup.build(config, sharding.make_mesh(1, config.batch_size, config.accumulation_steps))
    state = setup.abstract_state(parts)
    sample = plan.model_inputs(parts.model)
    batch = setup.abstract_batch(parts, sample, config.batch_size)
    rng, _ = setup.rngs(config.seed)
    step = setup.jit_step(parts, state).lower(state, rng, batch).compile()
    # Made in place, so that the peak is that of the steps.
    init = jax.jit(lambda: jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), state)).lower().compile()
    fill = jax.jit(lambda: jax.tree.map(lambda leaf: jnp.ones(leaf.shape, leaf.dtype), batch)).lower().compile()

    ctypes.CDLL("libc.so.6").malloc_trim(0)  # gives back what compiling took
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before = resident("VmRSS")
    batches = [jax.block_until_ready(fill()) for _ in range(planned.batches // _size(batch))]
    now = init()
    for _ in range(_STEPS):
        now, metrics = step(now, rng, batches[0])
        jax.block_until_ready((now, metrics))
    peak = resident("VmHWM") - before
    return {"planned": planned.peak, "measured": peak, "state": planned.state}


def resident(field: str) -> int:
    """Bytes of this process: now (VmRSS) or at most (VmHWM)."""
    status = pathlib.Path("/proc/self/status").read_text(encoding="ascii")
    return 1024 * int(next(line for line in status.splitlines() if line.startswith(f"{field}:")).split()[1])


def _size(batch: Any) -> int:
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(batch))
