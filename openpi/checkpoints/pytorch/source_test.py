import json
import pathlib

import numpy as np
import pytest
from flax import traverse_util

from openpi.checkpoints import restore
from openpi.checkpoints.pytorch import source, tiny, write

CHECKPOINT = pathlib.Path(__file__).parents[1] / "testdata" / "checkpoint_tiny_pi0"


def assert_holds(opened, params):
    flat = traverse_util.flatten_dict(params, sep="/")
    assert opened.leaves == {path: (leaf.shape, leaf.dtype) for path, leaf in flat.items()}
    found = dict(opened.arrays())
    assert found.keys() == flat.keys()
    for path, leaf in flat.items():
        np.testing.assert_array_equal(found[path], leaf, strict=True)


@pytest.mark.parametrize("below", ["", "params"])
def test_checkpoint(below):
    with source.open_source(CHECKPOINT / below) as opened:
        assert isinstance(opened, source.Checkpoint) and opened.folder == CHECKPOINT
        assert_holds(opened, restore.restore_params(CHECKPOINT))


@pytest.mark.parametrize("below", ["", "model.safetensors"])
def test_pytorch(tmp_path, below):
    write.write_params(tmp_path / "model.safetensors", tiny.params("pi05"), layout="openpi")
    with source.open_source(tmp_path / below) as opened:
        assert isinstance(opened, source.Pytorch) and opened.folder == tmp_path
        assert_holds(opened, tiny.params("pi05"))
        assert opened.read("action_in_proj/bias", np.float16).dtype == np.float16


def test_neither(tmp_path):
    with pytest.raises(FileNotFoundError, match="is not a checkpoint"):
        source.open_source(tmp_path)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("config/config.json", {"name": "x", "model": {"action_horizon": 7}}),
        ("config.json", {"action_dim": 32, "action_horizon": 7}),
        ("config.json", {"type": "pi0", "chunk_size": 7}),
    ],
)
def test_action_horizon(tmp_path, file, content):
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(json.dumps(content))
    assert source.action_horizon(tmp_path) == 7


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "nothing beside the weights in .* --action_horizon=50"),
        ("[]", "nothing beside the weights"),
        ('{"chunk_size": "7", "model": 3}', "nothing beside the weights"),
        ('{"chunk_size": -7}', "nothing beside the weights"),
        ("{", "config.json is not JSON .*mend it or give --action_horizon"),
    ],
)
def test_no_action_horizon(tmp_path, content, message):
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(ValueError, match=message):
        source.action_horizon(tmp_path)
