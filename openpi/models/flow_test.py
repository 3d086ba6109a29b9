import jax
import jax.numpy as jnp
import numpy as np
import pytest

from openpi.models import flow


def count(num_steps):
    """How many steps are made: each adds one to what begins at zero."""
    return flow.integrate(lambda x, time: jnp.full_like(x, -1.0 * num_steps), jnp.zeros((1, 1, 1)), num_steps)


def test_any_number_of_steps_is_made_exactly_and_by_one_program():
    traces = []

    @jax.jit
    def run(num_steps):
        traces.append(num_steps)
        return count(num_steps)

    counts = [run(num_steps).item() for num_steps in range(1, 101)]
    np.testing.assert_allclose(counts, range(1, 101), rtol=1e-4)
    assert len(traces) == 1


@pytest.mark.parametrize("num_steps", [1, 3, 10, 99])
def test_a_static_number_of_steps_is_the_same(num_steps):
    np.testing.assert_allclose(jax.jit(lambda: count(num_steps))().item(), num_steps, rtol=1e-4)


def test_time_counts_down_from_one():
    # dx/dt = 2t from noise at time 1: the left Riemann sum of 0.75, 0.5, 0.25 and 1, each times 2 / 4.
    got = flow.integrate(lambda x, time: jnp.broadcast_to(2 * time, x.shape), jnp.full((1, 2, 3), 5.0), 4)
    np.testing.assert_allclose(got, np.full((1, 2, 3), 5 - (1 + 0.75 + 0.5 + 0.25) / 2), rtol=1e-6)


def test_the_true_velocity_leads_from_noise_to_actions_in_any_number_of_steps():
    actions, noise = np.random.default_rng(0).normal(size=(2, 2, 3, 4)).astype(np.float32)
    for num_steps in (1, 7):
        got = flow.integrate(lambda x, time: jnp.asarray(noise - actions), noise, num_steps)
        np.testing.assert_allclose(got, actions, atol=1e-5)


def test_interpolate():
    actions, noise = np.random.default_rng(0).normal(size=(2, 2, 3, 4)).astype(np.float32)
    time = np.array([0.0, 0.25], np.float32)
    x_t, u_t = flow.interpolate(actions, noise, time)
    np.testing.assert_array_equal(x_t[0], actions[0])
    np.testing.assert_allclose(x_t[1], 0.25 * noise[1] + 0.75 * actions[1], rtol=1e-6)
    np.testing.assert_array_equal(u_t, noise - actions)
    draws, _ = flow.interpolate(actions, np.stack([noise, actions]), np.stack([time, time]))
    np.testing.assert_array_equal(draws[0], x_t)


def test_no_step_raises():
    with pytest.raises(ValueError, match="num_steps=0 must be at least 1"):
        flow.integrate(lambda x, time: x, jnp.zeros((1, 1, 1)), 0)
