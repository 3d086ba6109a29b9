import pytest

from openpi.config import model_sizes, schema


def test_published_sizes():
    model = schema.pi0_model()
    assert (model.siglip.width, model.siglip.depth, model.siglip.mlp_dim, model.siglip.num_heads) == (
        1152,
        27,
        4304,
        16,
    )
    assert (model.language.width, model.language.mlp_dim, model.expert.width) == (2048, 16384, 1024)
    assert (model.action_dim, model.action_horizon, model.max_token_len) == (32, 50, 48)
    assert schema.pi05_model().max_token_len == 200
    fast = schema.pi0_fast_model()
    assert (fast.action_dim, fast.action_horizon, fast.max_token_len) == (32, 32, 250)
    assert fast.image_keys == ("base_0_rgb", "base_1_rgb", "wrist_0_rgb")
    assert "expert" not in fast


@pytest.mark.parametrize("name", schema.MODELS)
def test_models_are_named_after_their_type(name):
    assert schema.MODELS[name]().type == name


@pytest.mark.parametrize(
    ("variant", "depth", "rank"),
    [("gemma_2b_lora", 18, 16), ("gemma_300m_lora", 18, 32), ("small_lora", 2, 4), ("gemma_2b", 18, 0)],
)
def test_lora_is_a_size(variant, depth, rank):
    size = model_sizes.gemma(variant)
    assert (size["depth"], size["lora_rank"], size["lora_rslora"]) == (depth, rank, False)
    assert size["lora_alpha"] == (rank or 1)


def test_sizes_are_copies():
    model_sizes.gemma("small")["width"] = 1
    assert model_sizes.gemma("small")["width"] != 1


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: model_sizes.gemma("gemma_2"), "did you mean 'gemma_2b'"),
        (lambda: model_sizes.gemma("smal_lora"), "did you mean 'small_lora'"),
        (lambda: model_sizes.siglip("So400m"), "did you mean 'So400m/14'"),
        (lambda: schema.pick_variant({"a_robot": dict}, "a_robt", "a_robot"), "did you mean 'a_robot'"),
    ],
)
def test_unknown_names_get_the_nearest(call, match):
    with pytest.raises(ValueError, match=match):
        call()


def test_the_default_variant_and_the_lock():
    config = schema.pick_variant({"mine": lambda: schema.base_config("mine")}, "", "mine")
    assert config.name == "mine"
    with pytest.raises(AttributeError):
        config.new_field = 1
    with pytest.raises(TypeError):
        config.batch_size = "many"
