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


@pytest.mark.parametrize(("variant", "rank"), [("gemma_2b_lora", 16), ("gemma_300m_lora", 32), ("gemma_2b", 0)])
def test_lora_is_a_size(variant, rank):
    assert model_sizes.gemma(variant)["lora_rank"] == rank
    assert model_sizes.gemma(variant)["depth"] == 18


def test_sizes_are_copies():
    model_sizes.gemma("small")["width"] = 1
    assert model_sizes.gemma("small")["width"] != 1


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: model_sizes.gemma("gemma_2"), "did you mean 'gemma_2b'"),
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
