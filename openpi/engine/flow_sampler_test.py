import dataclasses
import functools

import jax
import numpy as np
import pytest

from openpi.engine import flow_plan, flow_sampler, flow_schedule, present
from openpi.models import gemma, lora, observation, pi0, siglip

TINY = pi0.Pi0Config(
    siglip=siglip.SiglipConfig(16, 2, 32, 2, (14, 14), "sincos2d", "lecun"),
    language=gemma.GemmaConfig(16, 2, 32, 2, 1, 8),
    expert=gemma.GemmaConfig(24, 2, 32, 2, 1, 8),
    vocab_size=11,
    action_dim=5,
    action_horizon=4,
    max_token_len=40,
    dtype="float32",
    image_resolution=(28, 28),
    remat="none",
)
_HEADS = {"num_kv_heads": 2}  # as many as queries: another layout of the projections
_LORA = {"lora": lora.LoraConfig(3, 6.0), "ffn_lora": lora.LoraConfig(2, 2.0)}
MODELS = {
    "pi0": TINY,
    "pi05": dataclasses.replace(TINY, pi05=True),
    "pi0, as many heads": dataclasses.replace(
        TINY,
        language=dataclasses.replace(TINY.language, **_HEADS),
        expert=dataclasses.replace(TINY.expert, **_HEADS),
    ),
    "pi0, adapters": dataclasses.replace(
        TINY,
        language=dataclasses.replace(TINY.language, **_LORA),
        expert=dataclasses.replace(TINY.expert, **_LORA),
    ),
    "pi05, adapters, as many heads": dataclasses.replace(
        TINY,
        pi05=True,
        language=dataclasses.replace(TINY.language, **_HEADS, lora=lora.LoraConfig(3, 1.0, rslora=True)),
        expert=dataclasses.replace(TINY.expert, **_HEADS, lora=lora.LoraConfig(3, 6.0)),
    ),
}


def random_params(config, seed):
    """None at its initial zero."""
    shapes = jax.eval_shape(functools.partial(pi0.init, config), jax.random.key(0))
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda leaf: (0.3 * rng.normal(size=leaf.shape)).astype(np.float32), shapes)


def random_input(config, seed, *, absent=(), used=(5, 33)):
    """A batch whose rows have the cameras but `absent` (camera, row), and so many tokens of a prompt each."""
    rng, size = np.random.default_rng(seed), len(used)
    masks = {key: np.array([(key, row) not in absent for row in range(size)]) for key in config.image_keys}
    return {
        "image": {k: rng.integers(0, 256, (size, *config.image_resolution, 3), np.uint8) for k in config.image_keys},
        "image_mask": masks,
        "state": rng.normal(size=(size, config.action_dim)).astype(np.float32),
        "tokenized_prompt": rng.integers(0, config.vocab_size, (size, config.max_token_len), np.int32),
        "tokenized_prompt_mask": np.arange(config.max_token_len) < np.array(used)[:, None],
    }, rng.normal(size=(size, config.action_horizon, config.action_dim)).astype(np.float32)


@functools.partial(jax.jit, static_argnums=0)
def plain(config, params, model_input, noise, num_steps):
    seen = observation.Observation.from_dict(model_input)
    return pi0.sample_actions(config, params, jax.random.key(0), seen, num_steps=num_steps, noise=noise)


prepare = jax.jit(flow_plan.prepare, static_argnums=0)
schedule = jax.jit(flow_schedule.make, static_argnums=(0, 2))


@functools.partial(jax.jit, static_argnums=0)
def fast(config, plan, times, model_input, noise):
    return flow_sampler.sample_actions(config, plan, times, observation.Observation.from_dict(model_input), noise)


def assert_equal(config, params, model_input, noise, num_steps, rtol=1e-5):
    expected = np.asarray(plain(config, params, model_input, noise, num_steps))
    plan = prepare(config, params)
    got = fast(config, plan, schedule(config, plan, num_steps), present.present(model_input), noise)
    assert got.dtype == expected.dtype
    np.testing.assert_allclose(got, expected, rtol=0, atol=rtol * np.abs(expected).max())


@pytest.mark.parametrize("name", MODELS)
def test_samples_what_the_plain_model_samples(name):
    config = MODELS[name]
    assert_equal(config, random_params(config, 0), *random_input(config, 1), 4)


_WRIST, _OTHER = pi0.IMAGE_KEYS[1:]


@pytest.mark.parametrize(
    "given",
    [
        {"absent": [(_WRIST, 0), (_WRIST, 1)]},  # dropped
        {"absent": [(_WRIST, 0), (_OTHER, 1)]},  # each row lacks another: masked
        {"absent": [(key, row) for key in pi0.IMAGE_KEYS for row in range(2)]},
        {"used": (16, 16)},  # as long as a prompt that is cut
        {"used": (17, 0)},
        {"used": (40,)},
        {"used": (0, 9), "absent": [(key, 0) for key in pi0.IMAGE_KEYS]},  # a row that sees nothing at all
    ],
)
@pytest.mark.parametrize("name", ["pi0", "pi05"])
def test_what_is_absent_changes_nothing(name, given):
    config = MODELS[name]
    assert_equal(config, random_params(config, 2), *random_input(config, 3, **given), 3)


def test_any_number_of_steps_runs_in_one_program():
    config = MODELS["pi05"]
    params, (model_input, noise) = random_params(config, 4), random_input(config, 5)
    assert_equal(config, params, model_input, noise, 10)
    programs = fast._cache_size()
    for num_steps in (1, 7, flow_schedule.MAX_NUM_STEPS):
        assert_equal(config, params, model_input, noise, num_steps)
    assert fast._cache_size() == programs


def test_bfloat16_stays_close():
    """Rounding differs where weights are folded; it must not add up to more than bfloat16's own."""
    config = dataclasses.replace(MODELS["pi0"], dtype="bfloat16")
    params = random_params(config, 6)
    assert_equal(config, params, *random_input(config, 7), 4, rtol=0.05)
