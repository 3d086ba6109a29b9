"""Quantised plans beside their own float ones: how far the results are off, and that the memory is really less."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from openpi.engine import (
    fast_plan,
    fast_present,
    fast_sampler,
    flow_plan,
    flow_sampler,
    flow_schedule,
    linear,
    quantization,
    quantized_dot,
    vocabulary,
)
from openpi.models import gemma, observation, pi0, pi0_fast, siglip

_TOWER = siglip.SiglipConfig(32, 1, 64, 2, (14, 14), "sincos2d", "lecun")
_LANGUAGE = gemma.GemmaConfig(32, 2, 64, 2, 1, 16)
_SIZES = {"vocab_size": 300, "action_dim": 5, "dtype": "float32", "image_resolution": (28, 28), "remat": "none"}
FLOW = pi0.Pi0Config(
    siglip=_TOWER, language=_LANGUAGE, expert=_LANGUAGE, action_horizon=4, max_token_len=8, pi05=True, **_SIZES
)
FAST = pi0_fast.Pi0FastConfig(siglip=_TOWER, language=_LANGUAGE, max_token_len=8, **_SIZES)
# Largest error, as a part of the greatest result: of one multiplication and of whole actions. Less than half of the first is
# more exact than the mode can be.
BOUNDS = {"int8": (0.01, 0.05), "fp8": (0.05, 0.2), "int8_dynamic": (0.02, 0.1)}


@functools.cache
def random_params(model, config):
    """None at its initial zero."""
    shapes, rng = jax.eval_shape(functools.partial(model.init, config), jax.random.key(0)), np.random.default_rng(0)
    return jax.tree.map(lambda leaf: (rng.normal(size=leaf.shape) / 6).astype(np.float32), shapes)


@functools.partial(jax.jit, static_argnums=(0, 1))
def flow(config, mode, params):
    return quantization.quantize(flow_plan.prepare(config, params), mode)


@functools.partial(jax.jit, static_argnums=(0, 1))
def fast(config, mode, params):
    return quantization.quantize(fast_plan.prepare(config, params), mode)


@functools.partial(jax.jit, static_argnums=0)
def sample(config, plan, schedule, noise):
    return flow_sampler.sample_actions(config, plan, schedule, config.fake_obs(len(noise)), noise)


def off(got, expected):
    return np.abs(np.asarray(got, np.float32) - expected).max() / np.abs(expected).max()


def quantized(kernel, bias=None, *, mode):
    layer = linear.Linear(jnp.asarray(kernel), bias)
    return quantization.quantize_linear(layer, mode)


@pytest.mark.parametrize("mode", BOUNDS)
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_a_layer_is_off_as_much_as_its_mode_says(mode, dtype):
    rng = np.random.default_rng(1)
    kernel, bias, x = rng.normal(size=(64, 48)), rng.normal(size=48), rng.normal(size=(2, 3, 64))
    expected = x @ kernel + bias
    layer = quantized(kernel.astype(dtype), jnp.asarray(bias, dtype), mode=mode)
    got = layer(jnp.asarray(x, dtype))
    assert got.dtype == dtype
    assert BOUNDS[mode][0] / 10 < off(got, expected) < BOUNDS[mode][0]
    assert off(layer.outputs_from(40)(jnp.asarray(x, dtype)), expected[..., 40:]) < BOUNDS[mode][0]


@pytest.mark.parametrize("mode", BOUNDS)
def test_every_output_has_a_scale_of_its_own_and_zeros_stay(mode):
    kernel = np.random.default_rng(2).normal(size=(64, 3)).astype(np.float32)
    kernel[:, 0] *= 1e6
    kernel[:, 1] = 0
    layer = quantized(kernel, mode=mode)
    assert layer.kernel.scale.shape == (1, 3)
    x = np.eye(64, dtype=np.float32)
    got = np.asarray(layer(x))
    np.testing.assert_array_equal(got[:, 1], 0)
    for column in (0, 2):  # the greatest weight, too: nothing wraps
        assert off(got[:, column], kernel[:, column]) < 0.04
    np.testing.assert_array_equal(np.asarray(layer(np.zeros_like(x))), 0)


@pytest.mark.parametrize("mode", BOUNDS)
def test_tokens_are_read_and_written_by_a_quantised_table(mode):
    table = np.random.default_rng(3).normal(size=(20, 64)).astype(np.float32)
    table *= np.logspace(-3, 3, 20, dtype=np.float32)[:, None]
    lower = quantization.quantize_table(jnp.asarray(table), mode)
    assert lower.scale.shape == (20, 1)
    tokens = np.array([[3, 19], [0, 3]])
    got = vocabulary.embed(lower, tokens, jnp.float32)
    for place, token in np.ndenumerate(tokens):
        assert off(got[place], 8 * table[token]) < 0.04
    encoded = np.random.default_rng(4).normal(size=(2, 64)).astype(np.float32)
    expected = encoded @ table.T
    for token in range(20):
        got = quantized_dot.dot(encoded, lower, axis=1)[:, token]
        assert np.abs(got - expected[:, token]).max() < 0.05 * np.linalg.norm(encoded, axis=1).max() * np.linalg.norm(
            table[token]
        )


@pytest.mark.parametrize("mode", BOUNDS)
def test_actions_are_off_as_much_as_the_mode_says(mode):
    params = random_params(pi0, FLOW)
    noise = np.random.default_rng(5).normal(size=(2, 4, 5)).astype(np.float32)
    plans = {each: flow(FLOW, each, params) for each in ("none", mode)}
    actions = {each: sample(FLOW, plan, flow_schedule.make(FLOW, plan, 3), noise) for each, plan in plans.items()}
    assert 1e-3 < off(actions[mode], np.asarray(actions["none"])) < BOUNDS[mode][1]


@pytest.mark.parametrize("mode", BOUNDS)
def test_logits_are_off_as_much_as_the_mode_says(mode):
    params = random_params(pi0_fast, FAST)
    given = {
        "image": {key: np.random.default_rng(6).integers(0, 256, (1, 28, 28, 3), np.uint8) for key in FAST.image_keys},
        "image_mask": {key: np.array([True]) for key in FAST.image_keys},
        "state": np.zeros((1, 0), np.float32),
        "tokenized_prompt": np.arange(8, dtype=np.int32)[None],
        "tokenized_prompt_mask": np.ones((1, 8), bool),
        "token_ar_mask": np.zeros((1, 8), np.int32),
    }
    seen = observation.Observation.from_dict(fast_present.present(given))

    @jax.jit
    def logits(plan):
        first, text = fast_sampler.read(FAST, plan, seen, 4)
        return jnp.concatenate([first, fast_sampler.write(FAST, plan, np.array([7]), text)[0]])

    expected = np.asarray(logits(fast(FAST, "none", params)))
    assert 1e-3 < off(logits(fast(FAST, mode, params)), expected) < BOUNDS[mode][1]


def size(tree):
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


def test_nearly_all_weights_of_the_published_sizes_take_a_byte():
    published = {
        "siglip": siglip.SiglipConfig(1152, 27, 4304, 16, (14, 14), "normal", "zeros"),
        "language": gemma.GemmaConfig(2048, 18, 16384, 8, 1, 256),
        "vocab_size": 257152,
        "max_token_len": 200,
    }
    expert = gemma.GemmaConfig(1024, 18, 4096, 8, 1, 256)
    for model, config, prepare in (
        (pi0, pi0.Pi0Config(**published, expert=expert), flow),
        (pi0, pi0.Pi0Config(**published, expert=expert, pi05=True), flow),
        (pi0_fast, pi0_fast.Pi0FastConfig(**published), fast),
    ):
        shapes = jax.eval_shape(functools.partial(model.init, config), jax.random.key(0))
        stored = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, jnp.bfloat16), shapes)
        plans = {mode: jax.eval_shape(functools.partial(prepare, config, mode), stored) for mode in quantization.MODES}
        weights = sum(leaf.size for leaf in jax.tree.leaves(plans["none"]))
        assert size(plans["none"]) > 2 * weights
        for mode in BOUNDS:
            assert size(plans[mode]) < 1.08 * weights
            assert size(plans[mode]) < 3.5 * 2**30


def test_weights_stay_quantised_in_the_program():
    """The loop over steps is given bytes: none of its float arrays is a layer's matrix."""
    config = dataclasses.replace(FLOW, pi05=False, expert=gemma.GemmaConfig(40, 2, 72, 2, 1, 16))
    plan = jax.eval_shape(functools.partial(flow, config, "int8"), random_params(pi0, config))
    schedule = jax.eval_shape(lambda plan: flow_schedule.make(config, plan, 3), plan)
    noise = jax.ShapeDtypeStruct((1, 4, 5), jnp.float32)
    program = sample.lower(config, plan, schedule, noise).compile().as_text()
    (loop,) = (line.split(" while(")[0] for line in program.splitlines() if " while(" in line)
    for inputs, outputs in ((40, 64), (32, 40), (40, 144), (72, 40)):
        assert loop.count(f"s8[{inputs},{outputs}]") == config.expert.depth
        assert f"f32[{inputs},{outputs}]" not in loop


def test_the_table_stays_quantised_in_the_loop_over_tokens():
    plan = jax.eval_shape(functools.partial(fast, FAST, "int8"), random_params(pi0_fast, FAST))
    write = functools.partial(fast_sampler.sample_tokens, FAST, max_decoding_steps=4, temperature=0.0)
    program = jax.jit(write).lower(plan, FAST.fake_obs(1), jax.random.key(0)).compile().as_text()
    loop = max((line.split(" while(")[0] for line in program.splitlines() if " while(" in line), key=len)
    assert loop.count("s8[300,32]") == 1
    assert "f32[300,32]" not in loop
    assert "f32[32,300]" not in loop


@pytest.mark.parametrize("mode", BOUNDS)
def test_derivatives_are_those_of_the_unrounded_inputs(mode):
    """Real-time chunking needs them."""
    rng = np.random.default_rng(7)
    kernel, x, along = (rng.normal(size=size).astype(np.float32) for size in ((64, 48), (3, 64), (3, 48)))
    layer = quantized(kernel, mode=mode)
    (got,) = jax.vjp(layer, jnp.asarray(x))[1](jnp.asarray(along))
    assert off(got, along @ kernel.T) < BOUNDS[mode][0]


def test_an_unknown_mode_is_refused():
    with pytest.raises(ValueError, match="mode='int4' must be one of none, int8, fp8, int8_dynamic"):
        quantization.quantize(flow(FLOW, "none", random_params(pi0, FLOW)), "int4")
