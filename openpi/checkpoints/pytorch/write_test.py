import json

import jax
import ml_dtypes
import numpy as np
import pytest
import safetensors
from flax import traverse_util
from safetensors import numpy as safetensors_numpy

from openpi.checkpoints.pytorch import dtypes, read, tensor_file, tiny, write

KINDS = ["pi0", "pi05"]
LAYOUTS = {"openpi": "", "lerobot": "model."}
DTYPES = [np.float32, ml_dtypes.bfloat16, np.float16]


def assert_equal(tree, expected):
    assert jax.tree.structure(tree) == jax.tree.structure(expected)
    jax.tree.map(lambda ours, theirs: np.testing.assert_array_equal(ours, theirs, strict=True), tree, expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_writes_the_published_layout(tmp_path, kind, layout):
    """Name by name and bit by bit what the port's own tensors are."""
    path = tmp_path / "model.safetensors"
    write.write_params(path, tiny.params(kind), layout=layout)
    expected = {LAYOUTS[layout] + name: value for name, value in tiny.state_dict(kind).items()}
    found = safetensors_numpy.load_file(path)
    assert found.keys() == expected.keys()
    for name, value in found.items():
        np.testing.assert_array_equal(value, expected[name], strict=True)
    with safetensors.safe_open(path, "numpy") as file:
        assert file.metadata()["format"] == "pt"
        embedding = LAYOUTS[layout] + "paligemma_with_expert.paligemma.model.language_model.embed_tokens.weight"
        assert file.metadata()[embedding] == LAYOUTS[layout] + "paligemma_with_expert.paligemma.lm_head.weight"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_round_trip_is_exact(tmp_path, kind, layout, dtype):
    """Tree -> file -> tree, then file -> tree -> file."""
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    write.write_params(first, tiny.params(kind, dtype), layout=layout)
    tree = read.read_params(first)
    assert_equal(tree, tiny.params(kind, dtype))
    write.write_params(second, tree, layout=layout)
    assert second.read_bytes() == first.read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_precision(tmp_path, kind):
    path = tmp_path / "x.safetensors"
    write.write_params(path, tiny.params(kind), layout="lerobot", precision="bfloat16")
    state = tiny.state_dict(kind)
    for name, value in safetensors_numpy.load_file(path).items():
        plain = name.removeprefix("model.")
        np.testing.assert_array_equal(value, state[plain].astype(dtypes.stored(plain, "bfloat16")), strict=True)
    wide = tmp_path / "wide.safetensors"
    write.write_params(wide, tiny.params(kind, ml_dtypes.bfloat16), layout="openpi", precision="float32")
    assert_equal(read.read_params(wide), jax.tree.map(lambda x: x.astype(np.float32), tiny.params(kind, DTYPES[1])))


def without(path):
    flat = traverse_util.flatten_dict(tiny.params("pi0"), sep="/")
    return traverse_util.unflatten_dict({key: leaf for key, leaf in flat.items() if key != path}, sep="/")


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (tiny.params("pi0") | {"w_lora_a": np.ones(2)}, "no place for w_lora_a; LoRA adapters"),
        (without("state_proj/bias"), "lack state_proj/bias"),
        ({"PaliGemma": {}}, "neither pi0's nor pi0.5's"),
        (
            tiny.params("pi0") | {"state_proj": {"kernel": np.ones((3, 8)), "bias": np.ones(8)}},
            "state_proj/kernel is float64",
        ),
    ],
)
def test_what_cannot_be_written(tmp_path, params, message):
    with pytest.raises(ValueError, match=message):
        write.write_params(tmp_path / "x.safetensors", params, layout="openpi")
    assert not (tmp_path / "x.safetensors").exists()


def test_a_leaf_that_never_comes(tmp_path):
    flat = traverse_util.flatten_dict(tiny.params("pi0"), sep="/")
    specs = {path: tensor_file.Spec(leaf.shape, leaf.dtype) for path, leaf in flat.items()}
    last = flat.popitem()[0]
    with pytest.raises(ValueError, match=f"{last} never came"):
        write.write_leaves(tmp_path / "x.safetensors", specs, flat.items(), layout="openpi")


def test_the_header_is_json(tmp_path):
    write.write_params(tmp_path / "x.safetensors", tiny.params("pi0"), layout="openpi")
    content = (tmp_path / "x.safetensors").read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    assert header["__metadata__"][read.TOWER_HEAD_DIM] == str(tiny.HEAD_DIM)
    assert (
        length % 8 == 0
        and max(entry["data_offsets"][1] for name, entry in header.items() if name[0] != "_")
        == len(content) - 8 - length
    )
