import dataclasses
import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from openpi.engine import flow_candidates, flow_plan, flow_sampler, flow_schedule
from openpi.models import gemma, pi0, siglip

TINY = pi0.Pi0Config(
    siglip=siglip.SiglipConfig(16, 1, 32, 2, (14, 14), "sincos2d", "lecun"),
    language=gemma.GemmaConfig(16, 2, 32, 2, 1, 8),
    expert=gemma.GemmaConfig(24, 2, 32, 2, 1, 8),
    vocab_size=11,
    action_dim=5,
    action_horizon=6,
    max_token_len=6,
    dtype="float32",
    image_resolution=(28, 28),
    remat="none",
)


def _surroundings(config, num_steps):
    """Of a random observation and random weights, none at its initial zero."""
    shapes, rng = jax.eval_shape(functools.partial(pi0.init, config), jax.random.key(0)), np.random.default_rng(0)
    params = jax.tree.map(lambda leaf: (0.3 * rng.normal(size=leaf.shape)).astype(np.float32), shapes)
    plan = flow_plan.prepare(config, params)
    return plan, flow_schedule.make(config, plan, num_steps), _see(config, plan, config.fake_obs(1))


_see = jax.jit(flow_sampler.surroundings, static_argnums=0)
_candidates = jax.jit(flow_candidates.integrate, static_argnums=0)
_one = jax.jit(flow_sampler.integrate, static_argnums=0)


@pytest.mark.parametrize("pi05", [False, True])
def test_each_candidate_is_what_its_noise_gives_alone(pi05):
    config = dataclasses.replace(TINY, pi05=pi05)
    plan, schedule, seen = _surroundings(config, 5)
    noise = np.random.default_rng(2).normal(size=(3, config.action_horizon, config.action_dim)).astype(np.float32)
    chunks, uncertainty = _candidates(config, plan, schedule, seen, noise)
    assert chunks.shape == noise.shape
    for row in range(3):
        alone = _one(config, plan, schedule, seen, noise[row : row + 1])
        np.testing.assert_allclose(chunks[row], alone[0], rtol=0, atol=1e-5 * np.abs(alone).max())

    # The uncertainty by its definition, step by step.
    x_t, promises = jnp.asarray(noise), []
    rows = jax.tree.map(lambda leaf: jnp.repeat(leaf, 3, axis=0), seen)
    for i in range(5):
        moment = jax.tree.map(lambda leaf: leaf[i], schedule.moments)  # noqa: B023
        velocity, rows = flow_sampler.velocity(config, plan, rows, moment, x_t)
        promises.append(x_t - (1 - i / 5) * velocity)
        x_t = x_t - velocity / 5
    changes = [np.sqrt(np.mean(np.square(b - a), axis=(1, 2))) for a, b in itertools.pairwise(promises)]
    np.testing.assert_allclose(uncertainty, np.mean(changes, axis=0), rtol=1e-4)


def test_a_single_step_tells_nothing():
    plan, schedule, seen = _surroundings(TINY, 1)
    noise = np.ones((2, TINY.action_horizon, TINY.action_dim), np.float32)
    _, uncertainty = _candidates(TINY, plan, schedule, seen, noise)
    np.testing.assert_array_equal(uncertainty, [0, 0])
