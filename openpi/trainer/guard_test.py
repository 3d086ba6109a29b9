import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from openpi.trainer import guard, train_step
from openpi.trainer import state as state_lib

OPTIMIZER = optax.adam(1e-2)
RNG = jax.random.key(0)


def loss_fn(params, rng, x, part):
    """NaN gradients where x is negative, an infinite loss where it is infinite."""
    noise = jax.random.normal(rng, (len(x),))
    return params["w"].sum() * jnp.sqrt(x) + 0.1 * noise + 0.0 * params["frozen"].astype(jnp.float32).sum()


STEP = train_step.make(loss_fn, OPTIMIZER, frozen="frozen", ema_decay=0.9)
GUARDED = jax.jit(guard.make(STEP))


@pytest.fixture
def state():
    params = {"w": jnp.ones(3), "frozen": jnp.ones(2)}
    state = state_lib.create(params, OPTIMIZER, frozen="frozen", ema=True)
    for _ in range(3):
        state, _ = GUARDED(state, RNG, jnp.ones(4))
    return state


def same(a, b):
    leaves = zip(jax.tree.leaves(a.replace(step=0)), jax.tree.leaves(b.replace(step=0)), strict=True)
    return all(np.asarray(x).tobytes() == np.asarray(y).tobytes() for x, y in leaves)


def test_a_good_step_is_the_step(state):
    plain, metrics = jax.jit(STEP)(state, RNG, jnp.ones(4))
    guarded, told = GUARDED(state, RNG, jnp.ones(4), jnp.asarray([10.0, 10.0]))
    assert same(plain, guarded) and not same(state, guarded)
    assert int(guarded.step) == int(plain.step) == 4
    assert told == metrics | {"skipped": 0.0}


@pytest.mark.parametrize(
    ("x", "limits"),
    [
        (-1.0, None),
        (np.nan, None),
        (np.inf, None),
        (np.inf, [np.inf, np.inf]),
        (1.0, [0.01, 100.0]),  # the loss is too large
        (1.0, [100.0, 0.01]),  # the gradients are
        (1.0, [np.nan, 100.0]),
    ],
)
def test_a_bad_step_changes_the_count_alone(state, x, limits):
    limits = None if limits is None else jnp.asarray(limits, jnp.float32)
    kept, metrics = GUARDED(state, RNG, jnp.asarray([1.0, x, 1.0, 1.0]), limits)
    assert same(kept, state)
    assert int(kept.step) == 4
    assert metrics["skipped"] == 1.0
    again, metrics = GUARDED(kept, RNG, jnp.ones(4), limits if limits is None else limits + 1e6)
    assert metrics["skipped"] == 0.0 or np.isnan(limits).any()
    assert np.isfinite(again.params["w"]).all()


def test_no_memory_for_a_second_state():
    """The choice is made where the new numbers are written."""
    params = {"w": jnp.ones(1 << 18), "frozen": jnp.ones(2)}
    state = state_lib.create(params, OPTIMIZER, frozen="frozen", ema=True)

    def needs(step):
        compiled = jax.jit(step, donate_argnums=0).lower(state, RNG, jnp.ones(4)).compile().memory_analysis()
        return compiled.temp_size_in_bytes + compiled.output_size_in_bytes - compiled.alias_size_in_bytes

    assert needs(guard.make(STEP)) <= needs(STEP) + 4096
