import jax
import ml_dtypes
import numpy as np
import pytest
from flax import traverse_util
from safetensors import numpy as safetensors_numpy

from openpi.checkpoints.pytorch import read, tiny

KINDS = ["pi0", "pi05"]
HEADS = {read.TOWER_HEAD_DIM: str(tiny.HEAD_DIM)}
OLD = {
    "paligemma_with_expert.paligemma.model.language_model.": "paligemma_with_expert.paligemma.language_model.model.",
    "paligemma_with_expert.paligemma.lm_head.": "paligemma_with_expert.paligemma.language_model.lm_head.",
    "paligemma_with_expert.paligemma.model.": "paligemma_with_expert.paligemma.",
}


def save(path, state, metadata=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    safetensors_numpy.save_file(state, path, metadata=metadata)
    return path


def old_name(name):
    """How LeRobot before 0.4 spells it."""
    found = next((prefix for prefix in OLD if name.startswith(prefix)), None)
    return name if found is None else OLD[found] + name.removeprefix(found)


def assert_equal(tree, expected):
    assert jax.tree.structure(tree) == jax.tree.structure(expected)
    jax.tree.map(lambda ours, theirs: np.testing.assert_array_equal(ours, theirs, strict=True), tree, expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("layout", "rename"),
    [
        ("openpi", lambda name: name),
        ("lerobot", lambda name: "model." + name),
        ("lerobot", lambda name: "model." + old_name(name)),
    ],
)
def test_reads_every_layout(tmp_path, kind, layout, rename):
    state = {rename(name): value for name, value in tiny.state_dict(kind).items()}
    path = save(tmp_path / "model.safetensors", state, HEADS)
    assert_equal(read.read_params(path), tiny.params(kind))
    assert_equal(read.read_params(tmp_path, expected=tiny.shapes(kind)), tiny.params(kind))
    with read.Weights(path) as weights:
        assert (weights.kind, weights.layout) == (kind, layout)
        np.testing.assert_array_equal(weights.read("action_in_proj/bias"), tiny.params(kind)["action_in_proj"]["bias"])


def test_dtypes(tmp_path):
    """Stored types are kept, parameter by parameter, or cast."""
    state = tiny.state_dict("pi0")
    state = {name: value.astype(ml_dtypes.bfloat16 if ".mlp." in name else np.float32) for name, value in state.items()}
    path = save(tmp_path / "x.safetensors", state, HEADS)
    flat = traverse_util.flatten_dict(read.read_params(path), sep="/")
    narrow = {leaf for leaf, array in flat.items() if array.dtype == ml_dtypes.bfloat16}
    assert narrow == {leaf for leaf in flat if "mlp/" in leaf or "mlp_1/" in leaf or "MlpBlock" in leaf}
    assert_equal(read.read_params(path, dtype=ml_dtypes.bfloat16), tiny.params("pi0", ml_dtypes.bfloat16))
    wide = read.read_params(path, dtype=np.float32)
    assert {leaf.dtype for leaf in jax.tree.leaves(wide)} == {np.dtype(np.float32)}


def test_dtypes_of_the_model(tmp_path):
    path = save(tmp_path / "x.safetensors", tiny.state_dict("pi0"))
    narrow = lambda leaf, spec: jax.ShapeDtypeStruct(spec.shape, np.float16 if "mlp" in str(leaf) else np.float32)
    expected = jax.tree_util.tree_map_with_path(narrow, tiny.shapes("pi0"))
    loaded = read.read_params(path, expected=expected, dtype=read.EXPECTED_DTYPES)
    assert_equal(loaded, jax.tree.map(lambda leaf, spec: leaf.astype(spec.dtype), tiny.params("pi0"), expected))
    with pytest.raises(ValueError, match="EXPECTED_DTYPES, but expected is None"):
        read.read_params(path, dtype=read.EXPECTED_DTYPES)


def test_adapters_are_left_to_the_caller(tmp_path):
    path = save(tmp_path / "x.safetensors", tiny.state_dict("pi0"))
    shapes = traverse_util.flatten_dict(tiny.shapes("pi0"), sep="/")
    adapter = {"PaliGemma/llm/layers/mlp/linear_lora_a": jax.ShapeDtypeStruct((2, 9, 2), np.float32)}
    expected = traverse_util.unflatten_dict(shapes | adapter, sep="/")
    assert_equal(read.read_params(path, expected=expected), tiny.params("pi0"))


UP = "paligemma_with_expert.gemma_expert.model.layers.1.mlp.up_proj.weight"
LAST = "paligemma_with_expert.paligemma.model.language_model.layers.1.mlp.down_proj.weight"
LAST_OF_TOWER = "paligemma_with_expert.paligemma.model.vision_tower.vision_model.encoder.layers.2.mlp.fc1.bias"
ONES = np.ones(7, np.float32)


@pytest.mark.parametrize(
    ("given", "change", "message"),
    [
        ("pi05", {}, "are pi0, but the model is pi0.5; change config.model.type or the weights"),
        ("pi0", {"action_out_proj.bias": None}, "missing: action_out_proj.bias$"),
        ("", {"action_out_proj.bias": None}, "missing: action_out_proj.bias$"),
        ("pi0", {UP: None}, f"missing: {UP}$"),
        ("", {UP: None}, f"missing: {UP}$"),
        ("", {LAST: None}, f"missing: {LAST}$"),
        ("", {LAST_OF_TOWER: None}, f"missing: {LAST_OF_TOWER}$"),
        ("pi0", {"state_proj.bias": ONES}, r"state_proj.bias has \(7,\) where state_proj/bias needs \(8,\)$"),
        ("", {UP: ONES}, rf"{UP} has \(7,\) where PaliGemma/llm/layers/mlp_1/gating_einsum needs \(11, 8\)$"),
        ("", {"state_proj.weight": ONES}, r"state_proj.weight .* of shape \(7,\) has not the axes OI"),
        ("", {"extra.weight": ONES}, "unknown: extra.weight$"),
        ("", {"state_proj.bias": np.ones(8, np.int32)}, "is I32; weights are"),
    ],
)
def test_what_does_not_fit(tmp_path, given, change, message):
    """A model is given, or the file's own sizes count."""
    state = {name: value for name, value in (tiny.state_dict("pi0") | change).items() if value is not None}
    path = save(tmp_path / "x.safetensors", state, HEADS)
    with pytest.raises(ValueError, match=message) as error:
        read.read_params(path, expected=tiny.shapes(given) if given else None)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_long_lists_are_cut(tmp_path):
    state = tiny.state_dict("pi0") | {f"extra{i}": np.ones(1, np.float32) for i in range(9)}
    with pytest.raises(ValueError, match=r"unknown: extra0, extra1, extra2, extra3, ... \(9 in all\)"):
        read.read_params(save(tmp_path / "x.safetensors", state), expected=tiny.shapes("pi0"))


def test_heads(tmp_path):
    """Their number comes from the header, from the model, or from the published models."""
    state = tiny.state_dict("pi0")
    with pytest.raises(ValueError, match="does not say how many heads attend"):
        read.read_params(save(tmp_path / "unknown.safetensors", state))
    for said in ("0", "x", "4"):
        with pytest.raises(ValueError, match="tower_head_dim='[0x]' in the header|no multiple of 4|how many heads"):
            read.read_params(save(tmp_path / "wrong.safetensors", state, {read.TOWER_HEAD_DIM: said}))
    flat = tiny.params("pi0")["PaliGemma"]
    tree = read.read_params(save(tmp_path / "one.safetensors", state, HEADS | {read.GEMMA_HEAD_DIM: "2"}))["PaliGemma"]
    assert tree["llm"]["layers"]["attn"]["q_einsum"]["w"].shape == (2, 4, 5, 2)
    assert tree["llm"]["layers"]["attn"]["kv_einsum"]["w"].shape == (2, 2, 2, 5, 2)
    np.testing.assert_array_equal(tree["img"]["head"]["kernel"], flat["img"]["head"]["kernel"])


def test_not_there(tmp_path):
    for path in (tmp_path / "nothing", tmp_path, tmp_path / "x.safetensors"):
        assert read.find_file(path) is None
        with pytest.raises(FileNotFoundError, match="no PyTorch weights at .*; give a .safetensors file"):
            read.read_params(path)
