import pytest

from openpi.checkpoints.pytorch import names, table

PALIGEMMA = "paligemma_with_expert.paligemma."
EXPERT = "paligemma_with_expert.gemma_expert."
BASE = ["state_proj.weight", "action_time_mlp_in.weight", PALIGEMMA + "model.language_model.norm.weight"]


@pytest.mark.parametrize("layout", names.LAYOUTS)
def test_layout_and_kind(layout):
    prefix = "model." if layout == "lerobot" else ""
    for extra, kind in (([], "pi0"), (["time_mlp_in.weight"], "pi05")):
        spelled = [prefix + name for name in (BASE if kind == "pi0" else BASE[2:]) + extra]
        found = names.resolve(spelled, "file")
        assert (found.layout, found.kind) == (layout, kind)
        assert found.sources == {name.removeprefix(prefix): name for name in spelled}


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        (PALIGEMMA + "lm_head.weight", table.EMBEDDING),
        (PALIGEMMA + "model.language_model.embed_tokens.weight", table.EMBEDDING),
        (PALIGEMMA + "language_model.lm_head.weight", table.EMBEDDING),
        (PALIGEMMA + "language_model.model.embed_tokens.weight", table.EMBEDDING),
        (
            PALIGEMMA + "language_model.model.layers.3.mlp.up_proj.weight",
            PALIGEMMA + "model.language_model.layers.3.mlp.up_proj.weight",
        ),
        (
            PALIGEMMA + "vision_tower.vision_model.post_layernorm.bias",
            PALIGEMMA + "model.vision_tower.vision_model.post_layernorm.bias",
        ),
        (PALIGEMMA + "multi_modal_projector.linear.bias", PALIGEMMA + "model.multi_modal_projector.linear.bias"),
        ("surprise.weight", "surprise.weight"),
        (EXPERT + "lm_head.weight", None),
        (EXPERT + "model.embed_tokens.weight", None),
        (EXPERT + "lm_head.bias", EXPERT + "lm_head.bias"),
        ("normalize_inputs.buffer_observation_state.mean", None),
        ("unnormalize_outputs.buffer_action.std", None),
        (EXPERT + "model.layers.0.self_attn.rotary_emb.inv_freq", None),
    ],
)
@pytest.mark.parametrize("prefix", ["", "model."])
def test_canonical_names(name, canonical, prefix):
    sources = names.resolve([prefix + other for other in [*BASE, name]], "file").sources
    expected = {other: prefix + other for other in BASE} | ({canonical: prefix + name} if canonical else {})
    assert sources == expected


def test_of_the_two_tied_names_the_embedding_counts():
    both = [PALIGEMMA + "lm_head.weight", table.EMBEDDING]
    assert names.resolve([*BASE, *both], "file").sources[table.EMBEDDING] == table.EMBEDDING


def test_statistics_of_old_lerobot_files_have_no_prefix():
    found = names.resolve(["normalize_targets.buffer_action.mean", *(f"model.{name}" for name in BASE)], "file")
    assert found.layout == "lerobot" and found.sources.keys() == set(BASE)


def test_spelling():
    assert names.spell("state_proj.bias", "lerobot") == "model.state_proj.bias"
    assert names.spell(table.EMBEDDING, "openpi") == PALIGEMMA + "lm_head.weight"


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ([], "no pi0 or pi0.5 in a PyTorch layout: it has no tensors, but"),
        (["b", "a", "c", "d"], "it has 'a', 'b', 'c', ..., but neither"),
        (
            ["model." + PALIGEMMA + "model.language_model.layers.0.mlp.down_proj.weight"],
            r"weights.st holds PaliGemma without an action expert \(pi0-FAST",
        ),
    ],
)
def test_other_models(other, message):
    with pytest.raises(ValueError, match=message) as error:
        names.resolve(other, "weights.st")
    assert "\n" not in str(error.value)
