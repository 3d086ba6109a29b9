import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util

from openpi.models import gemma, pi0, siglip

TINY = pi0.Pi0Config(
    siglip=siglip.SiglipConfig(16, 1, 32, 2, (14, 14), "sincos2d", "lecun"),
    language=gemma.GemmaConfig(16, 2, 32, 2, 1, 8),
    expert=gemma.GemmaConfig(24, 2, 32, 2, 1, 8),
    vocab_size=11,
    action_dim=5,
    action_horizon=4,
    max_token_len=6,
    dtype="float32",
    image_keys=("base_0_rgb", "left_wrist_0_rgb"),
    image_resolution=(28, 28),
    remat="none",
)


def params(config):
    """Random parameters, none at its initial zero."""
    shapes = jax.eval_shape(functools.partial(pi0.init, config), jax.random.key(0))
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda leaf: (0.3 * rng.normal(size=leaf.shape)).astype(np.float32), shapes)


def batch(config, size=3):
    rng = np.random.default_rng(0)
    obs, act = config.inputs_spec(size)
    obs = obs.replace(
        images={key: rng.uniform(-1, 1, spec.shape).astype(np.float32) for key, spec in obs.images.items()},
        image_masks={key: np.ones(size, bool) for key in obs.images},
        state=rng.normal(size=obs.state.shape).astype(np.float32),
        tokenized_prompt=rng.integers(0, config.vocab_size, obs.tokenized_prompt.shape),
        tokenized_prompt_mask=np.arange(config.max_token_len)[None] < np.array([2, 4, 6])[:size, None],
    )
    return obs, rng.normal(size=act.shape).astype(np.float32)


def flat(tree):
    return traverse_util.flatten_dict(tree, sep="/")


def assert_trees_close(got, want):
    for path, leaf in flat(want).items():
        atol = 5e-5 * np.abs(leaf).max() + 1e-7
        np.testing.assert_allclose(flat(got)[path], leaf, rtol=1e-3, atol=atol, err_msg=path)


def drawn(shape, *draws):
    """Noise and time to pass to `compute_loss`."""
    rng = np.random.default_rng(1)
    time = rng.uniform(0.05, 1, (*draws, shape[0])).astype(np.float32)
    return {"noise": rng.normal(size=(*draws, *shape)).astype(np.float32), "time": time}


def grad_and_loss(config, **kwargs):
    """Function of parameters, inputs and draws: gradients of the mean loss, and the loss."""

    def mean_loss(params, obs, act, draw):
        loss = pi0.compute_loss(config, params, jax.random.key(0), obs, act, **draw, **kwargs)
        return loss.mean(), loss

    return jax.jit(jax.grad(mean_loss, has_aux=True))


@pytest.mark.parametrize("pi05", [False, True])
def test_several_draws_equal_the_mean_of_single_draws(pi05):
    config = dataclasses.replace(TINY, pi05=pi05)
    obs, act = batch(config)
    draws = drawn(act.shape, 3)
    grads, loss = grad_and_loss(config, num_draws=3)(params(config), obs, act, draws)
    single = grad_and_loss(config)
    singles = [single(params(config), obs, act, {key: value[i] for key, value in draws.items()}) for i in range(3)]
    mean_grads, mean_loss = jax.tree.map(lambda *leaves: np.mean(leaves, axis=0), *singles)
    assert loss.shape == act.shape[:2]
    np.testing.assert_allclose(loss, mean_loss, rtol=1e-5, atol=1e-5)
    assert_trees_close(grads, mean_grads)


def test_remat_changes_no_number():
    obs, act = batch(TINY)
    configs = [dataclasses.replace(TINY, remat=remat) for remat in ("none", "dots", "full")]
    kept, *recomputed = (grad_and_loss(config)(params(TINY), obs, act, drawn(act.shape))[0] for config in configs)
    for grads in recomputed:
        assert_trees_close(grads, kept)


def test_draws_come_from_the_key():
    obs, act = batch(TINY)
    run = jax.jit(functools.partial(pi0.compute_loss, TINY, num_draws=2))
    first, again, other = (run(params(TINY), jax.random.key(seed), obs, act) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3


def test_what_is_masked_does_not_matter():
    obs, _ = batch(TINY)
    obs = obs.replace(image_masks=obs.image_masks | {"left_wrist_0_rgb": np.array([True, False, True])})
    run = jax.jit(functools.partial(pi0.sample_actions, TINY))
    sample = lambda obs: run(params(TINY), jax.random.key(0), obs, num_steps=2)
    plain = sample(obs)
    prompt = np.where(obs.tokenized_prompt_mask, obs.tokenized_prompt, 0)
    other_padding = sample(obs.replace(tokenized_prompt=prompt))
    np.testing.assert_allclose(other_padding, plain, atol=1e-5)
    black = {key: np.zeros_like(image) for key, image in obs.images.items()}
    other_image = sample(obs.replace(images=obs.images | {"left_wrist_0_rgb": black["left_wrist_0_rgb"]}))
    np.testing.assert_allclose(other_image[1], plain[1], atol=1e-5)
    assert np.abs(other_image[0] - plain[0]).max() > 1e-3


def test_augments_in_training_only_and_only_when_asked():
    obs, act = batch(TINY)

    def loss(train, augmentation):
        config = dataclasses.replace(TINY, augmentation=augmentation)
        run = jax.jit(functools.partial(pi0.compute_loss, config, train=train))
        return run(params(TINY), jax.random.key(3), obs, act, **drawn(act.shape))

    plain = loss(train=False, augmentation="published")
    np.testing.assert_allclose(loss(train=True, augmentation="none"), plain, atol=1e-6)
    assert np.abs(loss(train=True, augmentation="published") - plain).max() > 1e-4


def test_fake_inputs_fit_the_spec_and_the_model():
    obs, act = TINY.fake_obs(2), TINY.fake_act(2)
    same = lambda a, b: jax.tree.map(lambda x, y: x.shape == y.shape and x.dtype == y.dtype, a, b)
    assert all(jax.tree.leaves(same((obs, act), TINY.inputs_spec(2))))
    loss = jax.eval_shape(functools.partial(pi0.compute_loss, TINY), params(TINY), jax.random.key(0), obs, act)
    assert loss.shape == (2, 4)


def test_bad_inputs_raise_one_clear_line():
    obs, act = batch(TINY)
    trace = functools.partial(
        jax.eval_shape, functools.partial(pi0.compute_loss, TINY), params(TINY), jax.random.key(0)
    )
    sample = functools.partial(jax.eval_shape, functools.partial(pi0.sample_actions, TINY), params(TINY))
    with pytest.raises(ValueError, match=r"lacks camera\(s\) \['left_wrist_0_rgb'\]; given: \['base_0_rgb'\]"):
        trace(obs.replace(images={"base_0_rgb": obs.images["base_0_rgb"]}), act)
    with pytest.raises(ValueError, match="state has width 4, the model's action_dim is 5"):
        sample(jax.random.key(0), obs.replace(state=obs.state[:, :4]))
    with pytest.raises(ValueError, match=r"actions have shape \[3, 4, 7\], the model expects \[B, 4, 5\]"):
        trace(obs, jnp.zeros((3, 4, 7)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dtype": "float16"}, "dtype must be"),
        ({"image_keys": ()}, "at least one camera"),
        ({"augmentation": "some"}, "augmentation must be one of .* got 'some'"),
        ({"remat": "some"}, "remat must be one of .* got 'some'"),
        ({"expert": gemma.GemmaConfig(24, 3, 32, 2, 1, 8)}, r"agree on depth, got \[2, 3\]"),
    ],
)
def test_bad_configs_raise(change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(TINY, **change)
