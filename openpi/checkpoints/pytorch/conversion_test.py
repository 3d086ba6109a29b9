import json
import pathlib
import shutil

import jax
import ml_dtypes
import numpy as np
import pytest
from safetensors import numpy as safetensors_numpy

from openpi.checkpoints import restore
from openpi.checkpoints.pytorch import conversion, read, tiny, write

CHECKPOINT = pathlib.Path(__file__).parents[1] / "testdata" / "checkpoint_tiny_pi0"


def assert_equal(tree, expected):
    assert jax.tree.structure(tree) == jax.tree.structure(expected)
    jax.tree.map(lambda ours, theirs: np.testing.assert_array_equal(ours, theirs, strict=True), tree, expected)


def test_there_and_back(tmp_path):
    """A checkpoint -> the port -> LeRobot -> a checkpoint, bit by bit, with what lies beside it."""
    original = tmp_path / "original"
    shutil.copytree(CHECKPOINT, original)
    (original / "config").mkdir()
    (original / "config" / "config.json").write_text('{"model": {"action_horizon": 3}}')
    port = conversion.convert(original, tmp_path / "port", to="openpi")
    lerobot = conversion.convert(port, tmp_path / "lerobot", to="lerobot")
    back = conversion.convert(lerobot / "model.safetensors", tmp_path / "back", to="jax")
    assert_equal(restore.restore_params(back), restore.restore_params(CHECKPOINT))
    for folder in (port, lerobot, back):
        stats = "assets/tiny_robot/norm_stats.json"
        assert (folder / stats).read_bytes() == (CHECKPOINT / stats).read_bytes()
        assert (folder / "config" / "config.json").is_file()
    assert json.loads((port / "config.json").read_text())["action_horizon"] == 3
    assert json.loads((lerobot / "config.json").read_text())["chunk_size"] == 3
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["back", "lerobot", "original", "port"]
    tensors = safetensors_numpy.load_file(port / "model.safetensors")
    renamed = safetensors_numpy.load_file(lerobot / "model.safetensors")
    assert {f"model.{name}" for name in tensors} == renamed.keys()


@pytest.mark.parametrize("kind", ["pi0", "pi05"])
def test_precision(tmp_path, kind):
    write.write_params(tmp_path / "w.safetensors", tiny.params(kind), layout="lerobot")
    narrow = conversion.convert(tmp_path / "w.safetensors", tmp_path / "narrow", to="jax", precision="bfloat16")
    assert_equal(restore.restore_params(narrow), tiny.params(kind, ml_dtypes.bfloat16))
    port = conversion.convert(narrow, tmp_path / "port", to="openpi", precision="float32", action_horizon=5)
    config = json.loads((port / "config.json").read_text())
    assert (config["precision"], config["action_horizon"]) == ("float32", 5)
    mixed = conversion.convert(port, tmp_path / "mixed", to="openpi", precision="bfloat16")
    as_stored = conversion.convert(mixed, tmp_path / "again", to="openpi")
    assert (as_stored / "model.safetensors").read_bytes() == (mixed / "model.safetensors").read_bytes()
    assert json.loads((as_stored / "config.json").read_text())["precision"] == "bfloat16"
    assert {leaf.dtype.name for leaf in jax.tree.leaves(read.read_params(mixed))} == {"float32", "bfloat16"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"to": "jax"}, "is a JAX checkpoint already; give --layout=openpi or lerobot"),
        ({"action_horizon": None}, "says how many actions a chunk has"),
        ({"source": "nothing"}, "no checkpoint at .*nothing"),
        ({"target": "there"}, "there exists already; add --overwrite"),
        ({"target": "original", "overwrite": True}, "original holds the weights that are read"),
        ({"target": "original/assets/new"}, "original/assets/new lies in a folder that is copied into it"),
    ],
)
def test_what_cannot_be_converted(tmp_path, change, message):
    shutil.copytree(CHECKPOINT, tmp_path / "original")
    (tmp_path / "there").mkdir()
    arguments = {"source": "original", "target": "new", "to": "openpi", "action_horizon": 3} | change
    places = {name: tmp_path / arguments.pop(name) for name in ("source", "target")}
    with pytest.raises((ValueError, OSError), match=message):
        conversion.convert(**places, **arguments)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["original", "there"]


def test_a_full_disk_is_told_before(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1))
    with pytest.raises(OSError, match="would take 0.0 GB, but .* has 0.0 GB left; make room"):
        conversion.convert(CHECKPOINT, tmp_path / "new", to="openpi", action_horizon=3)
    assert not any(tmp_path.iterdir())


def test_a_failure_in_the_middle_leaves_nothing(tmp_path):
    """Numbers of the checkpoint are missing, which shows only when they are read."""
    shutil.copytree(CHECKPOINT, tmp_path / "original")
    data = [*(tmp_path / "original" / "params" / "ocdbt.process_0" / "d").iterdir()]
    max(data, key=lambda file: file.stat().st_size).unlink()
    with pytest.raises(ValueError, match="damaged checkpoint .*original"):
        conversion.convert(tmp_path / "original", tmp_path / "new", to="openpi", action_horizon=3)
    assert [entry.name for entry in tmp_path.iterdir()] == ["original"]
