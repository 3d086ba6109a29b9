import functools
import math

import jax
import pytest

from openpi.config import build_model, load, schema
from openpi.models import lora, pi0, pi0_fast


def number_of_parameters(config):
    init = pi0_fast.init if config.model_type == "pi0_fast" else pi0.init
    shapes = jax.eval_shape(functools.partial(init, config), jax.random.key(0))
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(shapes))


SMALL = {"language": "small", "siglip": "small/28"}


@pytest.mark.parametrize("model", [schema.pi0_model, schema.pi05_model, schema.pi0_fast_model])
@pytest.mark.parametrize("adapter", ["", "_lora"])
def test_the_small_size_of_every_model_trains_on_a_cpu(model, adapter):
    sizes = SMALL | {"language": f"small{adapter}"}
    model = model(**sizes) if model is schema.pi0_fast_model else model(**sizes, expert=f"small{adapter}")
    model.vocab_size = 2000
    config = build_model.build(model)
    assert config.model_type == model.type
    assert 300_000 < number_of_parameters(config) < 2_000_000
    assert config.language.lora == (lora.LoraConfig(rank=4, alpha=4.0) if adapter else None)


def test_adapters_may_be_rank_stabilised():
    model = schema.pi0_model(language="gemma_2b_lora", expert="gemma_300m_lora")
    model.expert.lora_rslora = True
    config = build_model.build(model)
    assert config.language.lora == lora.LoraConfig(rank=16, alpha=16.0)
    assert config.expert.lora == lora.LoraConfig(rank=32, alpha=32.0, rslora=True)


def test_the_small_model_is_small_and_every_field_arrives():
    model = load.load("experiments/aloha.py").model
    config = build_model.build(model)
    assert config.siglip.width == model.siglip.width
    assert config.siglip.patch_size == (model.siglip.patch_size,) * 2
    assert config.language.mlp_dim == model.language.mlp_dim
    assert config.image_keys == ("base_0_rgb",)
    assert (config.dtype, config.augmentation, config.remat, config.pi05) == ("float32", "none", "none", False)
    assert number_of_parameters(config) < 2_000_000
