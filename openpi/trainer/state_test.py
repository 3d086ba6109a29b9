import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from openpi.config import build_model, freeze, schema
from openpi.models import model as model_lib
from openpi.trainer import state as state_lib

FROZEN = "(?!.*lora.*).*llm.*"


@pytest.fixture
def params():
    return {
        "llm": {"w": jnp.ones((2, 3)), "lora_a": jnp.ones((2, 1))},
        "head": {"kernel": jnp.full((2, 2), 1 / 3)},
    }


def test_split_and_join(params):
    trained, fixed = state_lib.split(params, FROZEN)
    assert fixed == {"llm": {"w": params["llm"]["w"]}}
    assert set(trained) == {"llm", "head"}
    joined = state_lib.join(trained, fixed)
    assert jax.tree.structure(joined) == jax.tree.structure(params)
    assert state_lib.split(params, "") == (params, {})


def test_frozen_leaves_are_bfloat16_and_have_no_optimizer_state(params):
    state = state_lib.create(params, optax.adam(1e-3), frozen=FROZEN, ema=True)
    assert jax.tree.map(lambda leaf: str(leaf.dtype), state.params) == {
        "llm": {"w": "bfloat16", "lora_a": "float32"},
        "head": {"kernel": "float32"},
    }
    assert set(state.opt_state[0].mu["llm"]) == {"lora_a"}
    jax.tree.map(np.testing.assert_array_equal, state.ema_params, state.params)
    assert state_lib.create(params, optax.adam(1e-3), frozen="", ema=False).ema_params is None


# Frozen leaves of the full-size LoRA models, as released.
@pytest.mark.parametrize(
    ("model", "frozen"),
    [
        (schema.pi0_model(language="gemma_2b_lora", expert="gemma_300m_lora"), 17),
        (schema.pi05_model(language="gemma_2b_lora", expert="gemma_300m_lora"), 20),
        (schema.pi0_fast_model(language="gemma_2b_lora"), 9),
    ],
    ids=["pi0", "pi05", "pi0_fast"],
)
def test_a_lora_fine_tune_keeps_the_rest_in_bfloat16(model, frozen):
    create = functools.partial(
        state_lib.create, optimizer=optax.adam(1e-3), frozen=freeze.lora_filter(model), ema=False
    )
    init = functools.partial(model_lib.init, build_model.build(model))
    state = jax.eval_shape(lambda rng: create(init(rng)), jax.random.key(0))
    halved = [leaf for leaf in jax.tree.leaves(state.params) if leaf.dtype == jnp.bfloat16]
    assert len(halved) == frozen
    assert sum(leaf.size for leaf in halved) > 2e9
    trained, _ = state_lib.split(state.params, freeze.lora_filter(model))
    assert jax.tree.structure(state.opt_state[0].mu) == jax.tree.structure(trained)
    assert {leaf.dtype for leaf in jax.tree.leaves(trained)} == {jnp.dtype("float32")}


def test_loaded_leaves_replace_fresh_ones(params):
    loaded = {"head": {"kernel": jnp.zeros((2, 2))}}
    init = lambda rng: jax.tree.map(lambda leaf: jax.random.normal(rng, leaf.shape), params)
    rng = jax.random.key(0)
    state = state_lib.initialize(init, rng, loaded, optax.adam(1e-3), frozen="", ema=False)
    np.testing.assert_array_equal(state.params["head"]["kernel"], 0.0)
    np.testing.assert_array_equal(state.params["llm"]["w"], init(rng)["llm"]["w"])


@pytest.mark.parametrize("ema", [False, True])
def test_items_round_trip(params, ema):
    state = state_lib.create(params, optax.adam(1e-3), frozen=FROZEN, ema=ema)
    if ema:
        state = state.replace(ema_params=jax.tree.map(lambda leaf: leaf * 0.5, state.params))
    for_inference, rest = state_lib.to_items(state)
    assert for_inference is (state.ema_params if ema else state.params)
    back = state_lib.from_items(for_inference, rest)
    assert jax.tree.structure(back) == jax.tree.structure(state)
    jax.tree.map(np.testing.assert_array_equal, back, state)
