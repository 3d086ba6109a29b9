import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from openpi.models import flow, gemma, pi0, siglip
from openpi.models import real_time_chunking as rtc

H, A = 8, 3


@pytest.mark.parametrize(
    ("sizes", "shares"),
    [
        ((8, 2, 3), [None, None, 3 / 4, 2 / 4, 1 / 4, 0, 0, 0]),
        ((6, 0, 2), [4 / 5, 3 / 5, 2 / 5, 1 / 5, 0, 0]),
        ((4, 3, 1), [None, None, None, 0]),  # nothing between frozen and free
        ((4, 0, 4), [0, 0, 0, 0]),
        ((3, 1, 0), [None, 2 / 3, 1 / 3]),
    ],
)
def test_the_mask_is_one_then_decays_then_zero(sizes, shares):
    expected = [1 if share is None else share * (np.e**share - 1) / (np.e - 1) for share in shares]
    np.testing.assert_allclose(rtc.soft_mask(*sizes), expected, rtol=1e-6)
    assert rtc.soft_mask(*sizes).dtype == np.float32


@pytest.mark.parametrize(
    ("sizes", "text"),
    [
        ((8, 6, 3), "delay=6 is more than the 5 actions that a chunk of 8 shares .* horizon=3: inference is too slow"),
        ((8, -1, 3), "delay=-1, horizon=3 do not lie in a chunk of 8"),
        ((8, 0, 9), "delay=0, horizon=9 do not lie in a chunk of 8"),
    ],
)
def test_a_delay_that_does_not_fit_is_told(sizes, text):
    with pytest.raises(ValueError, match=text):
        rtc.soft_mask(*sizes)


def test_the_strength_has_its_limits():
    beta = np.array([5.0, 1.0, np.inf])
    for end in (1.0, 1e-9):
        np.testing.assert_allclose(rtc.strength(jnp.float32(end), beta)[:2], beta[:2])
    np.testing.assert_allclose(rtc.strength(jnp.float32(0.5), beta), [2, 1, 2])
    tau = 0.8  # data time; the paper's form, with r² = (1 - τ)² / (τ² + (1 - τ)²)
    expected = (1 - tau) / (tau * ((1 - tau) ** 2 / (tau**2 + (1 - tau) ** 2)))
    np.testing.assert_allclose(rtc.strength(jnp.float32(1 - tau), beta), [expected, 1, expected], rtol=1e-5)


def _network(x, time):
    """A smooth velocity of one row that mixes all its numbers."""
    mix = np.random.default_rng(0).normal(size=(H * A, H * A)) / np.sqrt(H * A)
    return jnp.tanh(x.reshape(-1) @ mix.astype(np.float32) + time).reshape(H, A)


def test_the_correction_is_the_gradient_of_the_promise_s_error():
    rng = np.random.default_rng(1)
    x, target, weights = rng.normal(size=(3, 2, H, A)).astype(np.float32)
    weights, beta, time = np.abs(weights), np.array([5.0, 0.7], np.float32), jnp.float32(0.3)
    velocity = jax.vmap(_network, (0, None))
    for method in rtc.METHODS:
        got = rtc.guided(velocity, rtc.Guidance(target, weights, beta, method))(x, time)
        for row in range(2):
            promise = lambda x: x - time * _network(x, time)
            error = weights[row] * (target[row] - promise(x[row]))
            if method == "full":
                jacobian = jax.jacobian(promise)(x[row]).reshape(H * A, H * A)
                error = (jacobian.T @ error.reshape(-1)).reshape(H, A)
            strength = min(beta[row], (0.3**2 + 0.7**2) / (0.3 * 0.7))
            np.testing.assert_allclose(got[row], _network(x[row], time) - strength * error, atol=2e-5)


def test_an_unknown_method_is_told():
    zeros = np.zeros((1, H, A))
    with pytest.raises(ValueError, match="method='half' of real-time chunking is none of full, identity"):
        rtc.guided(lambda x, time: x, rtc.Guidance(zeros, zeros, np.ones(1), "half"))


_CENTRES = np.stack([np.full((H, A), 1.0), np.full((H, A), -1.0)]).astype(np.float32)


def _two_modes(x, time):
    """The exact velocity of a flow to actions of either centre, give or take 0.1."""
    spread = jnp.square(0.1 * (1 - time)) + jnp.square(time)
    off = x[:, None] - (1 - time) * _CENTRES
    share = jax.nn.softmax(-jnp.sum(jnp.square(off), axis=(2, 3)) / (2 * spread))
    data = _CENTRES + 0.01 * (1 - time) / spread * off
    return (x - jnp.einsum("BK,BKHA->BHA", share, data)) / time


@functools.partial(jax.jit, static_argnames="num_steps")
def _sample(noise, guidance, num_steps=20):
    velocity = _two_modes if guidance is None else rtc.guided(_two_modes, guidance)
    return flow.integrate(velocity, noise, num_steps)


def _guidance(target, beta=5.0, method="full", delay=3, horizon=3):
    weights = np.broadcast_to(rtc.soft_mask(H, delay, horizon)[:, None], target.shape)
    return rtc.Guidance(target, weights, np.full(len(target), beta, np.float32), method)


def test_the_chunk_stays_in_the_mode_of_the_running_one():
    noise = np.random.default_rng(2).normal(size=(16, H, A)).astype(np.float32)
    free = np.asarray(_sample(noise, None))
    other = -np.sign(free[:, :1, :1]) * np.ones_like(free)  # each goes on in the mode that it would not choose
    for method in rtc.METHODS:
        led = np.asarray(_sample(noise, _guidance(other, method=method)))
        assert (np.abs(free - other) > 1).all()
        assert (np.abs(led - other)[:, :3] < 0.3).all()
        assert (np.sign(led[:, 3:]) == np.sign(other[:, 3:])).mean() > 0.9  # all, not the guided part alone


def test_a_higher_beta_brings_the_frozen_part_nearer():
    noise = np.random.default_rng(3).normal(size=(16, H, A)).astype(np.float32)
    target = np.full((16, H, A), 1.3, np.float32)  # a little beside what the flow would do
    errors = [
        np.abs(np.asarray(_sample(noise, _guidance(target, beta), num_steps=50)) - target)[:, :3].mean()
        for beta in (0.0, 1.0, 5.0, 20.0)
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.1 * errors[0]


def test_a_chunk_that_is_its_own_target_stays():
    noise = np.random.default_rng(4).normal(size=(16, H, A)).astype(np.float32)
    free = np.asarray(_sample(noise, None))
    np.testing.assert_allclose(_sample(noise, _guidance(free)), free, atol=0.05)


TINY = pi0.Pi0Config(
    siglip=siglip.SiglipConfig(16, 1, 32, 2, (14, 14), "sincos2d", "lecun"),
    language=gemma.GemmaConfig(16, 2, 32, 2, 1, 8),
    expert=gemma.GemmaConfig(24, 2, 32, 2, 1, 8),
    vocab_size=11,
    action_dim=A,
    action_horizon=H,
    max_token_len=6,
    dtype="float32",
    image_keys=("base_0_rgb",),
    image_resolution=(28, 28),
    remat="none",
)


@functools.partial(jax.jit, static_argnums=0)
def _actions(config, params, observation, noise, guidance):
    return pi0.sample_actions(
        config, params, jax.random.key(0), observation, num_steps=4, noise=noise, guidance=guidance
    )


@pytest.mark.parametrize("pi05", [False, True])
def test_each_row_of_a_batch_is_led_as_if_alone_and_without_weights_not_at_all(pi05):
    config = dataclasses.replace(TINY, pi05=pi05)
    rng = np.random.default_rng(5)
    shapes = jax.eval_shape(functools.partial(pi0.init, config), jax.random.key(0))
    params = jax.tree.map(lambda leaf: (0.15 * rng.normal(size=leaf.shape)).astype(np.float32), shapes)
    observation = config.fake_obs(3).replace(state=rng.normal(size=(3, A)).astype(np.float32))
    noise, target = rng.normal(size=(2, 3, H, A)).astype(np.float32)
    weights = np.stack([rtc.soft_mask(H, *sizes) for sizes in ((2, 3), (0, H), (4, 1))])[..., None] * np.ones(A)
    guidance = rtc.Guidance(target, weights.astype(np.float32), np.array([5, 5, 1], np.float32))
    got = np.asarray(_actions(config, params, observation, noise, guidance))
    free = np.asarray(_actions(config, params, observation, noise, None))
    np.testing.assert_array_equal(got[1], free[1])
    for row in (0, 2):
        one = lambda leaf, row=row: leaf[row : row + 1]
        alone = _actions(config, params, *jax.tree.map(one, (observation, noise, guidance)))
        np.testing.assert_allclose(got[row], alone[0], atol=1e-5)
        delay = (2, None, 4)[row]
        assert np.abs(got - target)[row, :delay].max() < 0.5 * np.abs(free - target)[row, :delay].max()
