import dataclasses
import functools
import operator

import jax
import jax.extend
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util

from openpi.models import gemma, lora, pi0_fast, siglip

TINY = pi0_fast.Pi0FastConfig(
    siglip=siglip.SiglipConfig(16, 1, 32, 2, (14, 14), "sincos2d", "lecun"),
    language=gemma.GemmaConfig(16, 2, 32, 2, 1, 8),
    vocab_size=7,
    action_dim=5,
    action_horizon=4,
    max_token_len=6,
    dtype="float32",
    image_keys=("wrist_0_rgb", "base_0_rgb"),
    image_resolution=(28, 28),
    remat="none",
)
STEPS = 9


def flat(tree):
    return traverse_util.flatten_dict(tree, sep="/")


@functools.cache
def params(config=TINY, seed=0):
    """Random parameters, none at its initial zero."""
    shapes = jax.eval_shape(functools.partial(pi0_fast.init, config), jax.random.key(0))
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda leaf: jnp.asarray(0.3 * rng.normal(size=leaf.shape), jnp.float32), shapes)


def batch(config=TINY, size=3, seed=0):
    """Observations whose texts have different lengths, the last third of each being what the model is to write."""
    rng = np.random.default_rng(seed)
    obs, _ = config.inputs_spec(size)
    lengths = 2 + np.arange(size) % (config.max_token_len - 1)
    place = np.arange(config.max_token_len)
    mask = place < lengths[:, None]
    written = mask & (place >= (2 * lengths // 3)[:, None])
    return obs.replace(
        images={key: rng.uniform(-1, 1, spec.shape).astype(np.float32) for key, spec in obs.images.items()},
        image_masks={key: np.ones(size, bool) for key in obs.images},
        state=rng.normal(size=obs.state.shape).astype(np.float32),
        tokenized_prompt=rng.integers(2, config.vocab_size, mask.shape).astype(np.int32),
        tokenized_prompt_mask=mask,
        token_ar_mask=written.astype(np.int32),
        token_loss_mask=written,
    )


@functools.cache
def sampler(config=TINY):
    return jax.jit(functools.partial(pi0_fast.sample_actions, config, max_decoding_steps=STEPS))


@functools.cache
def loss(config=TINY, train=False):
    return jax.jit(lambda *args: pi0_fast.compute_loss(config, *args, None, train=train))


def test_a_batch_decodes_as_its_rows_alone():
    size = 8
    obs = batch(size=size, seed=2)
    together = sampler()(params(), jax.random.key(0), obs)
    for row in range(size):
        alone = sampler()(params(), jax.random.key(0), jax.tree.map(operator.itemgetter(slice(row, row + 1)), obs))
        np.testing.assert_array_equal(alone[0], together[row], err_msg=str(row))
    # Rows end at different steps, and one not at all: the last token is stored, what follows is zeros.
    ends = [list(row).index(pi0_fast.EOS) if pi0_fast.EOS in row else STEPS for row in np.asarray(together)]
    assert len(set(ends)) >= 3
    assert all((row[end + 1 :] == 0).all() for row, end in zip(together, ends))


def test_what_is_masked_does_not_matter():
    obs = batch()
    padding = np.where(obs.tokenized_prompt_mask, obs.tokenized_prompt, 5)
    other = obs.replace(tokenized_prompt=padding)
    key = jax.random.key(0)
    np.testing.assert_array_equal(sampler()(params(), key, other), sampler()(params(), key, obs))
    np.testing.assert_allclose(loss()(params(), key, other), loss()(params(), key, obs), rtol=1e-5)


def test_loss_counts_what_the_loss_mask_marks():
    obs = batch()
    key = jax.random.key(0)
    plain = loss()(params(), key, obs)
    assert plain.shape == (3,)
    none = loss()(params(), key, obs.replace(token_loss_mask=np.zeros_like(obs.token_loss_mask)))
    np.testing.assert_array_equal(none, 0)
    # The mean over single tokens; the first token is never predicted.
    singles = []
    for index in range(TINY.max_token_len):
        mask = obs.token_loss_mask & (np.arange(TINY.max_token_len) == index)
        singles.append(loss()(params(), key, obs.replace(token_loss_mask=mask)))
    np.testing.assert_array_equal(singles[0], 0)
    np.testing.assert_allclose(sum(singles) / obs.token_loss_mask[:, 1:].sum(axis=1), plain, rtol=1e-4)


def test_text_is_read_causally_where_the_ar_mask_says():
    """A later action token does not reach the loss of an earlier one; a prompt token reaches all."""
    obs = batch().replace(
        tokenized_prompt_mask=np.ones((3, 6), bool),
        token_ar_mask=np.tile([0, 0, 0, 1, 1, 1], (3, 1)).astype(np.int32),
        token_loss_mask=np.tile(np.arange(6) == 3, (3, 1)),
    )
    changed = lambda index: obs.replace(
        tokenized_prompt=np.where(np.arange(6) == index, 2 + (obs.tokenized_prompt - 1) % 5, obs.tokenized_prompt)
    )
    plain, later, earlier = (loss()(params(), jax.random.key(0), o) for o in (obs, changed(4), changed(0)))
    np.testing.assert_allclose(later, plain, rtol=1e-5)
    assert (np.abs(earlier - plain) > 1e-4).all()


def test_cameras_are_read_in_alphabetical_order():
    """However the config and the observation are ordered."""
    obs = batch()
    reverse = dataclasses.replace(TINY, image_keys=TINY.image_keys[::-1])
    embed = lambda config: pi0_fast.embed_inputs(config, params(), obs).embedded
    np.testing.assert_array_equal(embed(TINY), embed(reverse))
    patches = 4  # of a camera
    black = obs.replace(images=obs.images | {"base_0_rgb": np.zeros_like(obs.images["base_0_rgb"])})
    differs = (pi0_fast.embed_inputs(TINY, params(), black).embedded != embed(TINY)).any(axis=(0, 2))
    np.testing.assert_array_equal(differs, np.arange(2 * patches + TINY.max_token_len) < patches)


def test_adapters_change_the_output_and_scale_as_configured():
    adapters = [lora.LoraConfig(4, 8.0), lora.LoraConfig(4, 8.0, rslora=True), lora.LoraConfig(4, 4.0, rslora=True)]
    configs = [
        dataclasses.replace(TINY, language=dataclasses.replace(TINY.language, lora=adapter)) for adapter in adapters
    ]
    plain, rslora, equal = (loss(config)(params(configs[0]), jax.random.key(0), batch()) for config in configs)
    assert (np.abs(plain - rslora) > 1e-4).all()
    np.testing.assert_allclose(equal, plain, rtol=1e-5)  # 4 / sqrt(4) = 8 / 4


def test_augments_in_training_only_and_only_when_asked():
    asked = {name: dataclasses.replace(TINY, augmentation=name) for name in ("none", "published")}
    run = lambda name, train: loss(asked[name], train)(params(), jax.random.key(3), batch())
    plain = run("published", train=False)
    np.testing.assert_allclose(run("none", train=True), plain, rtol=1e-5)
    assert np.abs(run("published", train=True) - plain).max() > 1e-4


def arrays(jaxpr):
    """Shapes of all arrays in a program, inner ones included."""
    for equation in jaxpr.eqns:
        yield from (var.aval.shape for var in equation.outvars)
        for inner in jax.extend.core.jaxprs_in_params(equation.params):
            yield from arrays(inner)


def test_training_never_holds_the_logits_of_the_whole_text():
    config = dataclasses.replace(TINY, max_token_len=100, vocab_size=999)
    shapes = jax.eval_shape(functools.partial(pi0_fast.init, config), jax.random.key(0))
    mean_loss = lambda p, obs: pi0_fast.compute_loss(config, p, jax.random.key(0), obs, None).mean()
    program = jax.make_jaxpr(jax.grad(mean_loss))(shapes, config.inputs_spec(2)[0])
    positions = [np.prod(shape) // (2 * 999) for shape in arrays(program.jaxpr) if shape and shape[-1] == 999]
    assert 0 < max(positions) < 40


def test_fake_inputs_fit_the_spec_and_the_model():
    obs, act = TINY.fake_obs(2), TINY.fake_act(2)
    same = lambda a, b: jax.tree.map(lambda x, y: x.shape == y.shape and x.dtype == y.dtype, a, b)
    assert all(jax.tree.leaves(same((obs, act), TINY.inputs_spec(2))))
    got = jax.eval_shape(functools.partial(pi0_fast.compute_loss, TINY), params(), jax.random.key(0), obs, act)
    assert (got.shape, got.dtype) == ((2,), jnp.float32)
    tokens = jax.eval_shape(functools.partial(pi0_fast.sample_actions, TINY), params(), jax.random.key(0), obs)
    assert (tokens.shape, tokens.dtype) == ((2, 256), jnp.int32)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tokenized_prompt": None, "tokenized_prompt_mask": None}, "lacks tokenized_prompt; tokenize"),
        ({"token_ar_mask": None}, "lacks token_ar_mask; tokenize"),
        ({"token_ar_mask": np.zeros((3, 5), np.int32)}, r"token_ar_mask has shape \[3, 5\], expected \[3, 6\]"),
        ({"tokenized_prompt": np.zeros((3, 7), np.int32)}, r"tokenized_prompt has shape \[3, 7\], expected \[3, 6\]"),
        ({"images": {}}, r"lacks camera\(s\) \['base_0_rgb', 'wrist_0_rgb'\]"),
    ],
)
def test_bad_inputs_raise_one_clear_line(change, message):
    obs = batch().replace(**change)
    for function in (pi0_fast.sample_actions, functools.partial(pi0_fast.compute_loss, actions=None)):
        with pytest.raises(ValueError, match=message) as error:
            jax.eval_shape(functools.partial(function, TINY), params(), jax.random.key(0), obs)
        assert "\n" not in str(error.value)


def test_training_needs_a_loss_mask_and_sampling_a_step():
    obs = batch().replace(token_loss_mask=None)
    with pytest.raises(ValueError, match="lacks token_loss_mask"):
        pi0_fast.compute_loss(TINY, params(), jax.random.key(0), obs, None)
    with pytest.raises(ValueError, match="max_decoding_steps must be at least 1, got 0"):
        pi0_fast.sample_actions(TINY, params(), jax.random.key(0), obs, max_decoding_steps=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dtype": "float16"}, "dtype must be"),
        ({"image_keys": ()}, "at least one camera"),
        ({"augmentation": "some"}, "augmentation must be one of"),
        ({"max_token_len": 1}, "max_token_len must be at least 2, got 1"),
    ],
)
def test_bad_configs_raise(change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(TINY, **change)
