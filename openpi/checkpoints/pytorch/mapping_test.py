import json
import pathlib

import pytest

from openpi.checkpoints.pytorch import mapping, table

TESTDATA = pathlib.Path(__file__).parent / "testdata"
SHAPES = {
    model: {path: tuple(shape) for path, shape in tree.items()}
    for model, tree in json.loads((TESTDATA / "param_shapes.json").read_text()).items()
}
PALIGEMMA = "paligemma_with_expert.paligemma.model."
TOWER = PALIGEMMA + "vision_tower.vision_model."
EXPERT = "paligemma_with_expert.gemma_expert.model."
# What the full-size models have in PyTorch, spelled out: name -> shape; `0` stands for every layer.
EXPECTED = {
    TOWER + "embeddings.patch_embedding.weight": (1152, 3, 14, 14),
    TOWER + "embeddings.patch_embedding.bias": (1152,),
    TOWER + "embeddings.position_embedding.weight": (256, 1152),
    **{
        f"{TOWER}encoder.layers.0.{layer}.{kind}": shape
        for layer, shapes in {
            "layer_norm1": ((1152,), (1152,)),
            "layer_norm2": ((1152,), (1152,)),
            "mlp.fc1": ((4304, 1152), (4304,)),
            "mlp.fc2": ((1152, 4304), (1152,)),
            "self_attn.q_proj": ((1152, 1152), (1152,)),
            "self_attn.k_proj": ((1152, 1152), (1152,)),
            "self_attn.v_proj": ((1152, 1152), (1152,)),
            "self_attn.out_proj": ((1152, 1152), (1152,)),
        }.items()
        for kind, shape in zip(("weight", "bias"), shapes)
    },
    TOWER + "post_layernorm.weight": (1152,),
    TOWER + "post_layernorm.bias": (1152,),
    PALIGEMMA + "multi_modal_projector.linear.weight": (2048, 1152),
    PALIGEMMA + "multi_modal_projector.linear.bias": (2048,),
    PALIGEMMA + "language_model.embed_tokens.weight": (257152, 2048),
    **{
        f"{PALIGEMMA}language_model.{name}.weight": shape
        for name, shape in {
            "layers.0.self_attn.q_proj": (2048, 2048),
            "layers.0.self_attn.k_proj": (256, 2048),
            "layers.0.self_attn.v_proj": (256, 2048),
            "layers.0.self_attn.o_proj": (2048, 2048),
            "layers.0.mlp.gate_proj": (16384, 2048),
            "layers.0.mlp.up_proj": (16384, 2048),
            "layers.0.mlp.down_proj": (2048, 16384),
            "layers.0.input_layernorm": (2048,),
            "layers.0.post_attention_layernorm": (2048,),
            "norm": (2048,),
        }.items()
    },
    **{
        f"{EXPERT}layers.0.{name}.weight": shape
        for name, shape in {
            "self_attn.q_proj": (2048, 1024),
            "self_attn.k_proj": (256, 1024),
            "self_attn.v_proj": (256, 1024),
            "self_attn.o_proj": (1024, 2048),
            "mlp.gate_proj": (4096, 1024),
            "mlp.up_proj": (4096, 1024),
            "mlp.down_proj": (1024, 4096),
        }.items()
    },
    "action_in_proj.weight": (1024, 32),
    "action_in_proj.bias": (1024,),
    "action_out_proj.weight": (32, 1024),
    "action_out_proj.bias": (32,),
}
NORMS = [EXPERT + norm for norm in ("layers.0.input_layernorm", "layers.0.post_attention_layernorm", "norm")]
OF_ONE_MODEL = {
    "pi0": {
        **{f"{norm}.weight": (1024,) for norm in NORMS},
        "state_proj.weight": (1024, 32),
        "state_proj.bias": (1024,),
        "action_time_mlp_in.weight": (1024, 2048),
        "action_time_mlp_in.bias": (1024,),
        "action_time_mlp_out.weight": (1024, 1024),
        "action_time_mlp_out.bias": (1024,),
    },
    "pi05": {
        **{f"{norm}.dense.weight": (3072, 1024) for norm in NORMS},
        **{f"{norm}.dense.bias": (3072,) for norm in NORMS},
        "time_mlp_in.weight": (1024, 1024),
        "time_mlp_in.bias": (1024,),
        "time_mlp_out.weight": (1024, 1024),
        "time_mlp_out.bias": (1024,),
    },
}


def every_layer(shapes):
    """`0` replaced by each layer's number."""
    depth = lambda name: 27 if name.startswith(TOWER) else 18
    return {
        name.replace(".layers.0.", f".layers.{layer}."): shape
        for name, shape in shapes.items()
        for layer in range(depth(name) if ".layers." in name else 1)
    }


@pytest.mark.parametrize("model", ["pi0", "pi05"])
def test_full_size(model):
    """Every path of the published tree, once, and every tensor of the port, once, in its shape."""
    tensors = mapping.tree_tensors(SHAPES[model])
    assert {tensor.path for tensor in tensors} == SHAPES[model].keys()
    places = [(tensor.path, tensor.at) for tensor in tensors]
    assert len(places) == len(set(places))
    assert len(tensors) == len({tensor.name for tensor in tensors})
    assert {tensor.name: tensor.shape for tensor in tensors} == every_layer(EXPECTED | OF_ONE_MODEL[model])


def test_the_two_models_use_the_whole_table():
    assert SHAPES["pi0"].keys() | SHAPES["pi05"].keys() == table.TABLE.keys()


@pytest.mark.parametrize("model", ["pi0", "pi05"])
def test_finds_the_rules_back(model):
    names = [tensor.name for tensor in mapping.tree_tensors(SHAPES[model])]
    found = mapping.find_rules([*names, "paligemma_with_expert.gemma_expert.model.layers.00.norm", "other"])
    assert found.keys() == SHAPES[model].keys()
    for path, (rule, layers) in found.items():
        assert layers == (set(range(SHAPES[model][path][0])) if rule.layered else set())


def test_places_of_stacked_matrices():
    tensors = mapping.tensors("PaliGemma/llm/layers/attn/kv_einsum_1/w", (2, 2, 1, 8, 4))
    assert [(tensor.name.removeprefix(EXPERT), tensor.at, tensor.shape) for tensor in tensors] == [
        ("layers.0.self_attn.k_proj.weight", (0, 0), (4, 8)),
        ("layers.0.self_attn.v_proj.weight", (0, 1), (4, 8)),
        ("layers.1.self_attn.k_proj.weight", (1, 0), (4, 8)),
        ("layers.1.self_attn.v_proj.weight", (1, 1), (4, 8)),
    ]


@pytest.mark.parametrize("model", ["pi0", "pi05"])
def test_kinds(model):
    assert table.kind_of(SHAPES[model]) == model
    assert set(table.paths_of(model)) == SHAPES[model].keys()
    assert table.kind_of(["PaliGemma/llm/layers/mlp/linear"]) is None


@pytest.mark.parametrize(
    ("add", "drop", "message"),
    [
        (["PaliGemma/llm/layers/mlp/linear_lora_a", "b"], [], "no place for .*linear_lora_a and 1 more; LoRA"),
        (["PaliGemma/llm/other"], [], "no place for PaliGemma/llm/other; it holds pi0 and pi0.5 only"),
        ([], ["state_proj/bias"], "lack state_proj/bias, which pi0 has"),
        (["time_mlp_out/bias"], [], "have time_mlp_out/bias, which pi0 has not"),
        ([], ["action_time_mlp_in/kernel"], "neither pi0's nor pi0.5's"),
    ],
)
def test_what_has_no_place(add, drop, message):
    shapes = {path: shape for path, shape in SHAPES["pi0"].items() if path not in drop} | dict.fromkeys(add, (1,))
    with pytest.raises(ValueError, match=message) as error:
        mapping.tree_tensors(shapes)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("path", "shape", "message"),
    [
        ("state_proj/kernel", (3,), r"state_proj/kernel of shape \(3,\) is no parameter of pi0 or pi0.5"),
        ("PaliGemma/llm/layers/mlp/gating_einsum", (2, 3, 4, 5), "axis 1 must count 2 matrices"),
        ("PaliGemma/llm/layers/mlp/gating_einsum", (2,), "axis 1 must count 2 matrices"),
        ("PaliGemma/llm/layers/mlp/linear", (), "has not the axes FD"),
    ],
)
def test_other_shapes(path, shape, message):
    with pytest.raises(ValueError, match=message):
        mapping.tensors(path, shape)
