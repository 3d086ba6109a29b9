import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from openpi.models import gemma, model, pi0, pi0_fast, siglip

_SIZES = {
    "siglip": siglip.SiglipConfig(16, 1, 16, 1, (14, 14), "sincos2d", "lecun"),
    "language": gemma.GemmaConfig(16, 1, 16, 1, 1, 8),
    "vocab_size": 11,
    "action_dim": 3,
    "action_horizon": 2,
    "max_token_len": 4,
    "dtype": "float32",
    "image_keys": ("base_0_rgb",),
    "image_resolution": (14, 14),
    "remat": "none",
}
_FLOW = pi0.Pi0Config(**_SIZES, expert=gemma.GemmaConfig(16, 1, 16, 1, 1, 8))
_FAST = pi0_fast.Pi0FastConfig(**_SIZES)
_FLOW_SAMPLING = model.FlowSampling(num_steps=2, noise=np.ones((2, 2, 3), np.float32), noise_given=True)
_CONFIGS = [_FLOW, dataclasses.replace(_FLOW, pi05=True), _FAST]


@functools.cache
def _params(config):
    return jax.jit(model.init, static_argnums=0)(config, jax.random.key(0))


@pytest.mark.parametrize("config", _CONFIGS, ids=lambda config: config.model_type)
def test_each_model_answers_by_its_own_functions(config):
    own = pi0_fast if model.is_autoregressive(config) else pi0
    rng, obs, act = jax.random.key(1), config.fake_obs(2), config.fake_act(2)
    params = jax.eval_shape(functools.partial(model.init, config), rng)
    assert params == jax.eval_shape(functools.partial(own.init, config), rng)
    loss = jax.eval_shape(functools.partial(model.compute_loss, config, train=True), params, rng, obs, act)
    assert loss == jax.eval_shape(functools.partial(own.compute_loss, config, train=True), params, rng, obs, act)
    assert loss.shape == ((2,) if own is pi0_fast else (2, 2))


def test_several_draws_reach_the_flow_model():
    obs, act = _FLOW.fake_obs(2), _FLOW.fake_act(2)

    @jax.jit
    def losses(params, rng):
        one, three = (model.compute_loss(_FLOW, params, rng, obs, act, num_draws=draws) for draws in (1, 3))
        return one, three, pi0.compute_loss(_FLOW, params, rng, obs, act, num_draws=3)

    one, three, want = losses(_params(_FLOW), jax.random.key(1))
    np.testing.assert_allclose(three, want, atol=1e-6)
    assert np.abs(one - three).max() > 1e-4


def test_flow_sampling_starts_from_the_given_noise_or_draws_its_own():
    obs, noise = _FLOW.fake_obs(2), _FLOW_SAMPLING.noise

    @jax.jit
    def samples(params, rng, given):
        got = model.sample(_FLOW, params, rng, obs, _FLOW_SAMPLING.replace(noise_given=given))
        own = functools.partial(pi0.sample_actions, _FLOW, params, rng, obs, num_steps=2)
        return got, own(noise=noise), own()

    results = [samples(_params(_FLOW), jax.random.key(3), given) for given in (True, False)]
    (by_given, given, drawn), (by_drawn, _, _) = results
    np.testing.assert_allclose(by_given, given, atol=1e-5)
    np.testing.assert_allclose(by_drawn, drawn, atol=1e-5)
    assert np.abs(drawn - given).max() > 1e-2


def test_token_sampling():
    obs = _FAST.fake_obs(2)

    @jax.jit
    def tokens(params, rng, temperature):
        got = model.sample(_FAST, params, rng, obs, model.TokenSampling(temperature, max_decoding_steps=5))
        own = pi0_fast.sample_actions(_FAST, params, rng, obs, max_decoding_steps=5, temperature=temperature)
        return got, own

    got, want = tokens(_params(_FAST), jax.random.key(3), 1.0)
    assert (got.shape, got.dtype) == ((2, 5), jnp.int32)
    np.testing.assert_array_equal(got, want)


def test_sampling_of_the_other_kind_is_refused():
    with pytest.raises(TypeError, match="type pi0_fast cannot sample by FlowSampling"):
        model.sample(_FAST, {}, jax.random.key(0), _FAST.fake_obs(2), _FLOW_SAMPLING)
    with pytest.raises(TypeError, match="type pi0 cannot sample by TokenSampling"):
        model.sample(_FLOW, {}, jax.random.key(0), _FLOW.fake_obs(2), model.TokenSampling(0.0, 5))
