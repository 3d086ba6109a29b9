"""The step in parts against the step in one, for every kind of model. Runs on four CPU devices, which have to be asked for
before jax starts."""

import os

os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=4"

import dataclasses
import functools
import re
from typing import Any

import jax
import numpy as np
import pytest
from flax import traverse_util

from openpi.models import gemma, model, pi0, pi0_fast, siglip
from openpi.trainer import optimizer, sharding, train_step
from openpi.trainer import state as state_lib

SIZES: dict[str, Any] = {
    "siglip": siglip.SiglipConfig(8, 1, 16, 2, (14, 14), "sincos2d", "lecun"),
    "language": gemma.GemmaConfig(8, 2, 16, 2, 1, 4),
    "vocab_size": 32,
    "dtype": "float32",
    "image_resolution": (28, 28),
    "remat": "none",
}
FLOW = pi0.Pi0Config(
    **SIZES,
    expert=gemma.GemmaConfig(12, 2, 16, 2, 1, 4),
    action_dim=3,
    action_horizon=2,
    max_token_len=4,
    image_keys=("base_0_rgb", "left_wrist_0_rgb"),
)
CASES = {
    "pi0": (FLOW, "", 1),
    "pi05, several draws, images augmented independently": (
        dataclasses.replace(FLOW, pi05=True, augmentation="corrected"),
        ".*img.*",
        3,
    ),
    "pi0_fast": (
        pi0_fast.Pi0FastConfig(**SIZES, max_token_len=6, action_dim=3, action_horizon=2, image_keys=("base_0_rgb",)),
        "",
        1,
    ),
}


def batch(config, size=16):
    """Random samples, of which no two have the same length of text."""
    rng = np.random.default_rng(0)
    make = {
        "float32": lambda spec: rng.uniform(-1, 1, spec.shape).astype(np.float32),
        "int32": lambda spec: rng.integers(0, 2, spec.shape).astype(np.int32),
        "bool": lambda spec: rng.random(spec.shape) < 0.7,
    }
    return jax.tree.map(lambda spec: make[spec.dtype.name](spec), config.inputs_spec(size))


def setup(config, frozen, draws, accumulation_steps):
    """The state before the first step, and the step."""

    def loss_fn(params, rng, batch, part):
        return model.compute_loss(config, params, rng, *batch, train=True, num_draws=draws, part=part)

    transformation = optimizer.sgd(1.0, momentum=0.0)  # parameters move by the gradient itself
    shapes = jax.eval_shape(functools.partial(model.init, config), jax.random.key(0))
    rng = np.random.default_rng(1)
    params = jax.tree.map(lambda leaf: (0.3 * rng.normal(size=leaf.shape)).astype(np.float32), shapes)
    state = state_lib.create(params, transformation, frozen=frozen, ema=True)
    step = train_step.make(loss_fn, transformation, frozen=frozen, ema_decay=0.9, accumulation_steps=accumulation_steps)
    return state, step


@pytest.mark.parametrize("case", CASES)
def test_equals_the_large_batch(case):
    results = []
    for accumulation_steps in (1, 4):
        state, step = setup(*CASES[case], accumulation_steps)
        results.append(jax.jit(step)(state, jax.random.key(7), batch(CASES[case][0])))
    (want, want_metrics), (got, got_metrics) = results
    assert jax.tree.structure(got) == jax.tree.structure(want) and got.step == 1
    for name, value in want_metrics.items():
        np.testing.assert_allclose(got_metrics[name], value, rtol=1e-5, err_msg=name)
    for part in ("params", "ema_params"):
        flat = [traverse_util.flatten_dict(getattr(tree, part), sep="/") for tree in (got, want)]
        for path, leaf in flat[1].items():
            atol = 1e-5 * np.abs(np.asarray(leaf, np.float32)).max()
            np.testing.assert_allclose(flat[0][path], leaf, rtol=1e-4, atol=atol, err_msg=path)


def on_four_devices(accumulation_steps):
    config, frozen, draws = CASES["pi0"]
    state, step = setup(config, frozen, draws, accumulation_steps)
    mesh = sharding.make_mesh(2, 16, accumulation_steps)
    everywhere, spread = sharding.replicated(mesh), sharding.data(mesh)
    jitted = jax.jit(step, in_shardings=(everywhere, everywhere, spread), out_shardings=everywhere)
    samples = jax.device_put(batch(config), spread)
    compiled = jitted.lower(state, jax.random.key(7), samples).compile()
    return compiled(state, jax.random.key(7), samples), compiled.as_text()


def test_on_devices_no_image_moves_from_one_to_another():
    (state, metrics), program = on_four_devices(4)
    alone, step = setup(*CASES["pi0"], 1)
    want, want_metrics = jax.jit(step)(alone, jax.random.key(7), batch(CASES["pi0"][0]))
    np.testing.assert_allclose(metrics["loss"], want_metrics["loss"], rtol=1e-5)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4), state.params, want.params)
    moves = re.findall(r"= (.*) (?:all-gather|all-to-all|collective-permute|all-reduce)[-a-z]*\(", program)
    assert not [shapes for shapes in moves if "28,28,3]" in shapes], moves
    assert "all-reduce" in program  # of the gradients


def test_parts_of_which_some_device_has_nothing():
    with pytest.raises(ValueError, match=r"config.batch_size=16 must be .*accumulation_steps=8 times .* devices, 4"):
        sharding.make_mesh(2, 16, 8)
