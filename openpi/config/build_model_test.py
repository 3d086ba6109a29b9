import functools
import math

import jax
import pytest

from openpi.config import build_model, load, schema
from openpi.models import pi0


# Totals of the published checkpoints (and of the released LoRA fine-tunes).
@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        (schema.pi0_model(), 3_238_048_528),
        (schema.pi05_model(), 3_353_433_872),
        (schema.pi0_model(language="gemma_2b_lora", expert="gemma_300m_lora"), 3_288_036_112),
        (schema.pi0_model(language="dummy", expert="dummy"), 429_337_808),
    ],
)
def test_published_sizes(model, parameters):
    shapes = jax.eval_shape(functools.partial(pi0.init, build_model.build(model)), jax.random.key(0))
    assert sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(shapes)) == parameters


def test_the_small_model_is_small_and_every_field_arrives():
    model = load.load("experiments/aloha.py").model
    config = build_model.build(model)
    assert config.siglip.width == model.siglip.width
    assert config.siglip.patch_size == (model.siglip.patch_size,) * 2
    assert config.language.mlp_dim == model.language.mlp_dim
    assert config.image_keys == ("base_0_rgb",)
    assert (config.dtype, config.augmentation, config.remat, config.pi05) == ("float32", "none", False, False)
    shapes = jax.eval_shape(functools.partial(pi0.init, config), jax.random.key(0))
    assert sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(shapes)) < 2_000_000
