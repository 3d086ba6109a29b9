import dataclasses
import functools

import jax
import numpy as np
import pytest

from openpi.engine import flow_guidance, flow_plan, flow_sampler, flow_schedule
from openpi.models import gemma, pi0, real_time_chunking, siglip

TINY = pi0.Pi0Config(
    siglip=siglip.SiglipConfig(16, 1, 32, 2, (14, 14), "sincos2d", "lecun"),
    language=gemma.GemmaConfig(16, 2, 32, 2, 1, 8),
    expert=gemma.GemmaConfig(24, 2, 32, 2, 1, 8),
    vocab_size=11,
    action_dim=5,
    action_horizon=6,
    max_token_len=6,
    dtype="float32",
    image_keys=("base_0_rgb",),
    image_resolution=(28, 28),
    remat="none",
)


@functools.partial(jax.jit, static_argnums=0)
def _plain(config, params, observation, noise, guidance):
    return pi0.sample_actions(
        config, params, jax.random.key(0), observation, num_steps=5, noise=noise, guidance=guidance
    )


@functools.partial(jax.jit, static_argnums=0)
def _fast(config, plan, schedule, observation, noise, guidance):
    seen = flow_sampler.surroundings(config, plan, observation)
    return flow_guidance.integrate(config, plan, schedule, seen, noise, guidance)


@pytest.mark.parametrize(("pi05", "method"), [(False, "full"), (True, "full"), (True, "identity")])
def test_leads_as_the_plain_model_is_led(pi05, method):
    config = dataclasses.replace(TINY, pi05=pi05)
    rng = np.random.default_rng(0)
    shapes = jax.eval_shape(functools.partial(pi0.init, config), jax.random.key(0))
    params = jax.tree.map(lambda leaf: (0.15 * rng.normal(size=leaf.shape)).astype(np.float32), shapes)
    observation = config.fake_obs(2).replace(state=rng.normal(size=(2, 5)).astype(np.float32))
    noise, target = rng.normal(size=(2, 2, 6, 5)).astype(np.float32)
    weights = np.stack([real_time_chunking.soft_mask(6, *sizes) for sizes in ((2, 1), (0, 6))])
    weights = weights[..., None] * (np.arange(5) < 4).astype(np.float32)
    guidance = real_time_chunking.Guidance(target, weights, np.array([5, 5], np.float32), method)

    plan = jax.jit(flow_plan.prepare, static_argnums=0)(config, params)
    schedule = jax.jit(flow_schedule.make, static_argnums=(0, 2))(config, plan, 5)
    got = np.asarray(_fast(config, plan, schedule, observation, noise, guidance))
    expected = np.asarray(_plain(config, params, observation, noise, guidance))
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    # The row without weights is the one that nothing leads; the other is led.
    free = np.asarray(_plain(config, params, observation, noise, None))
    np.testing.assert_allclose(got[1], free[1], rtol=0, atol=1e-5 * np.abs(free).max())
    assert np.abs(got - free)[0].max() > 0.1
