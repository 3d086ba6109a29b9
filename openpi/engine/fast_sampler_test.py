import dataclasses
import functools
import itertools

import hypothesis
import jax
import numpy as np
import pytest
from hypothesis import strategies

from openpi.engine import fast_plan, fast_present, fast_sampler, present
from openpi.models import gemma, lora, observation, pi0_fast, siglip

STEPS = 7
TINY = pi0_fast.Pi0FastConfig(
    siglip=siglip.SiglipConfig(16, 2, 32, 2, (14, 14), "sincos2d", "lecun"),
    language=gemma.GemmaConfig(16, 2, 32, 2, 1, 8),
    vocab_size=7,
    action_dim=5,
    max_token_len=40,
    dtype="float32",
    image_keys=("wrist_0_rgb", "base_0_rgb", "base_1_rgb"),
    image_resolution=(28, 28),
    remat="none",
)
_LORA = {"lora": lora.LoraConfig(3, 6.0), "ffn_lora": lora.LoraConfig(2, 2.0)}
MODELS = {
    "plain": TINY,
    "as many heads": dataclasses.replace(TINY, language=dataclasses.replace(TINY.language, num_kv_heads=2)),
    "adapters": dataclasses.replace(TINY, language=dataclasses.replace(TINY.language, **_LORA)),
    "one layer": dataclasses.replace(TINY, language=dataclasses.replace(TINY.language, depth=1)),
}
CAMERAS = sorted(TINY.image_keys)


@functools.cache
def random_params(config, seed=0):
    """None at its initial zero."""
    shapes = jax.eval_shape(functools.partial(pi0_fast.init, config), jax.random.key(0))
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda leaf: (0.3 * rng.normal(size=leaf.shape)).astype(np.float32), shapes)


def random_input(config=TINY, seed=0, *, absent=(), black=(), used=(5, 33, 12), ar=False):
    """A batch whose rows have so many tokens of a prompt each, and the cameras but `absent` (camera, row)."""
    rng, size = np.random.default_rng(seed), len(used)
    shape = (size, *config.image_resolution, 3)
    images = {key: rng.integers(0, 256, shape, np.uint8) * np.uint8(key not in black) for key in config.image_keys}
    place = np.arange(config.max_token_len)
    return {
        "image": images,
        "image_mask": {key: np.array([(key, row) not in absent for row in range(size)]) for key in config.image_keys},
        "state": np.zeros((size, 0), np.float32),
        "tokenized_prompt": rng.integers(2, config.vocab_size, (size, config.max_token_len), np.int32),
        "tokenized_prompt_mask": place < np.array(used)[:, None],
        "token_ar_mask": np.tile(np.int32(place >= 3) * np.int32(ar), (size, 1)),
    }


@functools.partial(jax.jit, static_argnums=0)
def plain(config, params, model_input, key, temperature):
    """Tokens, and the logits [B, STEPS + 1, V] before each and behind the last, whether the row had ended or not."""
    seen = observation.Observation.from_dict(model_input)
    tokens = pi0_fast.sample_actions(config, params, key, seen, max_decoding_steps=STEPS, temperature=temperature)
    read = pi0_fast.prefill(config, params, pi0_fast.embed_inputs(config, params, seen), STEPS)
    return tokens, all_logits(functools.partial(pi0_fast.decode_step, config, params), tokens, *read)


@functools.partial(jax.jit, static_argnums=0)
def fast(config, plan, model_input, key, temperature, forced):
    """Tokens, and the logits between the tokens `forced`."""
    seen = observation.Observation.from_dict(model_input)
    tokens = fast_sampler.sample_tokens(config, plan, seen, key, max_decoding_steps=STEPS, temperature=temperature)
    read = fast_sampler.read(config, plan, seen, STEPS)
    return tokens, all_logits(functools.partial(fast_sampler.write, config, plan), forced, *read)


def all_logits(step, tokens, first, state):
    def body(state, tokens):
        logits, state = step(tokens, state)
        return state, logits

    _, others = jax.lax.scan(body, state, tokens.T)
    return jax.numpy.concatenate([first[None], others]).swapaxes(0, 1)


prepare = jax.jit(fast_plan.prepare, static_argnums=0)


def both(config, params, model_input, *, seed=0, temperature=0.0, views=None):
    """Tokens and logits of the plain model, then of the engine, as numpy."""
    key, temperature = jax.random.key(seed), np.float32(temperature)
    expected = plain(config, params, model_input, key, temperature)
    plan = prepare(config, params)
    got = fast(config, plan, fast_present.present(model_input, views), key, temperature, expected[0])
    return jax.tree.map(np.asarray, (expected, got))


def assert_equal(config, model_input, **how):
    """Returns the tokens."""
    (expected, expected_logits), (tokens, logits) = both(config, random_params(config), model_input, **how)
    assert (tokens.dtype, logits.dtype) == (expected.dtype, expected_logits.dtype)
    np.testing.assert_array_equal(tokens, expected)
    np.testing.assert_allclose(logits, expected_logits, rtol=0, atol=1e-5 * np.abs(expected_logits).max())
    return tokens


@pytest.mark.parametrize("name", MODELS)
def test_writes_what_the_plain_model_writes(name):
    assert_equal(MODELS[name], random_input(MODELS[name], 1))


SHORT = present.lengths(TINY.max_token_len)[0]


@pytest.mark.parametrize(
    "given",
    [
        {"used": (3, SHORT, 0)},  # at an edge: cut there
        {"used": (SHORT + 1, 4, 9)},  # and right behind it
        {"used": (TINY.max_token_len,)},
        {"black": CAMERAS[1:2]},  # not encoded
        {"black": CAMERAS},
        {"absent": [(CAMERAS[0], row) for row in range(3)]},  # padding in front
        {"absent": [(CAMERAS[1], 1)]},  # a gap: the model sees into it
        {"absent": [(key, row) for key in CAMERAS[1:] for row in range(3)], "black": CAMERAS[1:]},
        {"absent": [(key, 1) for key in CAMERAS], "used": (5, 0, 3)},  # a row of nothing
        {"ar": True},  # causal from the third token of the prompt
    ],
)
def test_what_is_left_out_changes_nothing(given):
    assert_equal(TINY, random_input(TINY, 3, **given))


@hypothesis.settings(max_examples=25, deadline=None, derandomize=True)
@hypothesis.given(
    shown=strategies.just([True] * 9) | strategies.lists(strategies.booleans(), min_size=9, max_size=9),
    used=strategies.tuples(*[strategies.integers(0, TINY.max_token_len)] * 3),
    ar=strategies.booleans(),
    temperature=strategies.sampled_from([0.0, 0.5, 3.0]),
    seed=strategies.integers(0, 2**31),
)
def test_any_rows_give_the_same_tokens(shown, used, ar, temperature, seed):
    absent = [(key, row) for i, (key, row) in enumerate(itertools.product(CAMERAS, range(3))) if not shown[i]]
    model_input = random_input(TINY, seed, absent=absent, used=used, ar=ar)
    assert_equal(TINY, model_input, seed=seed, temperature=temperature, views=[CAMERAS])


def test_rows_end_at_different_steps_and_some_not_at_all():
    ends = set()
    for seed in range(4):
        for row in assert_equal(TINY, random_input(TINY, seed), seed=seed, temperature=1.5):
            ends.add(list(row).index(pi0_fast.EOS) if pi0_fast.EOS in row else None)
    assert None in ends
    assert len(ends) >= 4


def test_one_program_decodes_whatever_was_read():
    plan = jax.eval_shape(functools.partial(fast_plan.prepare, TINY), random_params(TINY))
    read = lambda plan, seen: fast_sampler.read(TINY, plan, observation.Observation.from_dict(seen), STEPS)
    whole = random_input(TINY, black=CAMERAS[:1], used=(3, 4, 5))
    shapes = {str(jax.eval_shape(read, plan, seen)) for seen in (whole, fast_present.present(whole))}
    assert len(shapes) == 1


@pytest.mark.parametrize("stored", [np.float32, jax.numpy.bfloat16])
def test_bfloat16_stays_close(stored):
    """Weights are rounded where they are folded, and queries too; all that must not add up to more than bfloat16's own."""
    config = dataclasses.replace(TINY, dtype="bfloat16")
    params = jax.tree.map(lambda leaf: leaf.astype(stored), random_params(config))
    (_, expected), (_, logits) = both(config, params, random_input(config, 7))
    assert logits.dtype == expected.dtype == stored
    logits, expected = (array.astype(np.float32) for array in (logits, expected))
    np.testing.assert_allclose(logits, expected, rtol=0, atol=0.05 * np.abs(expected).max())
