"""Plans of a model of some thousand parameters beside what its arrays really take, and of the published sizes."""

import jax
import pytest

from openpi.config import load, table
from openpi.trainer import plan, setup, sharding, tiny_dataset
from openpi.trainer import state as state_lib

_LORA = {"model__language__lora_rank": 2, "freeze": "(?!.*lora)(?!.*llm.*_1).*llm.*"}


@pytest.fixture(scope="module", params=[{}, {**_LORA, "ema_decay": 0.0}], ids=["full", "lora"])
def config(request):
    return tiny_dataset.config(weights__kind="checkpoint", weights__path="base", **request.param)


def test_the_state_is_what_its_arrays_take(config):
    planned = plan.of_training(config, here=True)
    parts = setup.build(config, sharding.make_mesh(1, config.batch_size))
    state = setup.init_state(parts, setup.abstract_state(parts), jax.random.key(0), {})
    size = lambda tree: sum(leaf.nbytes for leaf in jax.tree.leaves(tree))
    trained, frozen = state_lib.split(state.params, config.freeze)
    assert (planned.trained, planned.frozen) == (size(trained), size(frozen))
    assert (planned.optimizer, planned.average) == (size(state.opt_state), size(state.ema_params))
    assert planned.state + size(state.step) == size(state)
    assert planned.loaded == size(state.params)
    assert planned.gradients == planned.trained
    assert planned.peak > planned.state + planned.gradients


def test_more_samples_take_more_activations_and_parts_of_a_batch_fewer():
    activations = lambda **settings: plan.of_training(tiny_dataset.config(**settings)).activations
    one, two, parted = (
        activations(batch_size=16),
        activations(batch_size=32),
        activations(batch_size=32, accumulation_steps=4),
    )
    assert 1.5 * one < two < 2.1 * one
    assert parted < 0.6 * two


def test_the_published_sizes_come_out_as_published():
    """More than 8 GB to serve pi0 and 22.5 GB to train its adapters, which leave room to a batch."""
    config = load.load(table.config_path("pi0_libero_low_mem_finetune"))
    with config.unlocked():
        config.batch_size = 4
    served, adapters = plan.of_inference(config), plan.of_training(config)
    assert 6e9 < served.peak < 8e9
    assert 10e9 < adapters.state < 12e9
    assert 18e9 < adapters.peak < 22.5e9


def test_a_model_of_tokens_is_served_too():
    config = tiny_dataset.config("aloha_reach_fast", sampling__max_decoding_steps=4)
    served = plan.of_inference(config)
    assert served.arguments > 4 * 2000 * config.model.language.width  # float32, of which its tokens are a part
    assert served.temporaries > 0


def test_a_batch_that_cannot_be_divided_is_refused():
    with pytest.raises(ValueError, match=r"config\.batch_size"):
        plan.of_training(tiny_dataset.config(batch_size=4, accumulation_steps=3))
