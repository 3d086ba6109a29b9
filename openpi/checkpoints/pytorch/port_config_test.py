import json
import pathlib

import pytest

from openpi.checkpoints.pytorch import port_config

TESTDATA = pathlib.Path(__file__).parent / "testdata"
SHAPES = {
    model: {path: tuple(shape) for path, shape in tree.items()}
    for model, tree in json.loads((TESTDATA / "param_shapes.json").read_text()).items()
}


@pytest.mark.parametrize("model", SHAPES)
def test_openpi(model):
    config = port_config.build(SHAPES[model], layout="openpi", precision="bfloat16", action_horizon=15)
    assert config == {
        "action_dim": 32,
        "action_horizon": 15,
        "paligemma_variant": "gemma_2b",
        "action_expert_variant": "gemma_300m",
        "precision": "bfloat16",
    }


@pytest.mark.parametrize(("model", "tokens", "normalization"), [("pi0", 48, "MEAN_STD"), ("pi05", 200, "QUANTILES")])
def test_lerobot(model, tokens, normalization):
    config = port_config.build(SHAPES[model], layout="lerobot", precision="float32", action_horizon=50)
    assert config["type"] == model
    assert (config["chunk_size"], config["n_action_steps"]) == (50, 50)
    assert (config["max_state_dim"], config["max_action_dim"], config["dtype"]) == (32, 32, "float32")
    assert (config["paligemma_variant"], config["action_expert_variant"]) == ("gemma_2b", "gemma_300m")
    assert config["tokenizer_max_length"] == tokens
    assert config["normalization_mapping"] == {"VISUAL": "IDENTITY", "STATE": normalization, "ACTION": normalization}
    assert config["input_features"]["observation.state"] == {"type": "STATE", "shape": [32]}
    assert config["output_features"] == {"action": {"type": "ACTION", "shape": [32]}}
    assert sum(feature["type"] == "VISUAL" for feature in config["input_features"].values()) == 3


def test_other_sizes_have_no_published_name():
    shapes = SHAPES["pi0"] | {
        "PaliGemma/llm/layers/mlp_1/linear": (4, 128, 64),
        "PaliGemma/llm/layers/mlp/linear": (1, 2, 3),
    }
    config = port_config.build(shapes, layout="openpi", precision="float32", action_horizon=4)
    assert (config["paligemma_variant"], config["action_expert_variant"]) == ("custom", "dummy")
