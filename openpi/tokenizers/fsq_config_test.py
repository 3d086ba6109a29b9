import math

import pytest

from openpi.tokenizers import fsq_config

FIELDS = {
    "embed_dim": 128,
    "data_dim": 7,
    "data_horizon": 15,
    "num_tokens": 8,
    "num_layers": 2,
    "target_codebook_size": 1024,
}


def test_the_published_defaults():
    config = fsq_config.FsqConfig.from_dict(FIELDS)
    assert (config.causal, config.mlp_ratio, config.bound) == (False, 2.0, None)
    assert config.bins == (32, 32) and config.mlp_dim == 256


def test_shapes():
    shapes = fsq_config.FsqConfig.from_dict(FIELDS).shapes()
    assert len(shapes) == 1 + 4 * 2 + 2 * (2 + 2 * (3 * 2 + 2 * 8 + 3 * 2))
    layer = "decoder/CrossAttentionLayer_1"
    assert shapes["encoder/q_embed"] == (8, 128) == shapes["decoder/y_pos_enc"]
    assert shapes[f"{layer}/MultiHeadDotProductAttention_1/query/kernel"] == (128, 2, 64)
    assert shapes[f"{layer}/MultiHeadDotProductAttention_0/out/kernel"] == (2, 64, 128)
    assert shapes[f"{layer}/GeGLU_0/Dense_0/kernel"] == (256, 512)
    assert shapes["codebook/proj_down/kernel"] == (128, 2) and shapes["out_scale"] == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"embed_dim": 100}, "'embed_dim' must be a multiple of 64, and is 100"),
        ({"num_tokens": 0}, "'num_tokens' must be an integer from 1 to 65536, and is 0"),
        ({"num_layers": 2.0}, "'num_layers'"),
        ({"data_dim": True}, "'data_dim'"),
        ({"data_horizon": 2**40}, "'data_horizon'"),
        ({"target_codebook_size": 1000}, "no custom codebook of 1000 tokens"),
        ({"mlp_ratio": 0}, "'mlp_ratio'"),
        ({"mlp_ratio": 1e-9}, "'mlp_ratio'"),
        ({"mlp_ratio": 1e9}, "'mlp_ratio'"),
        ({"mlp_ratio": math.inf}, "'mlp_ratio'"),
        ({"bound": -1.0}, "'bound' must be null or a number above 0"),
        ({"causal": 1}, "'causal' must be true or false"),
        ({"use_state_conditioning": True}, "'use_state_conditioning' must be false"),
        ({"heads": 4}, "'heads' must be left out: the settings are embed_dim, data_dim"),
    ],
)
def test_a_wrong_setting_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        fsq_config.FsqConfig.from_dict(FIELDS | change)


@pytest.mark.parametrize("name", FIELDS)
def test_a_missing_setting_is_named(name):
    with pytest.raises(ValueError, match=f"'{name}' must be given, and is missing"):
        fsq_config.FsqConfig.from_dict({key: value for key, value in FIELDS.items() if key != name})
