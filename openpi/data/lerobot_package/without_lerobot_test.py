"""A program without the lerobot package says how to get one that has it."""

import sys

import pytest

from openpi.data.lerobot import recording
from openpi.data.lerobot_package import lerobot_dataset


def test_the_way_to_get_it_is_told(tmp_path, monkeypatch):
    root = recording.record(tmp_path / "dataset", (2,))
    monkeypatch.setitem(sys.modules, "torch", None)  # also where the test is built with it
    with pytest.raises(ValueError, match="tools/bazel run --config=lerobot //openpi/train") as raised:
        lerobot_dataset.LeRobotDataset(root)
    assert "\n" not in str(raised.value)
