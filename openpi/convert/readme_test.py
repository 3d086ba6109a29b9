import pathlib

import numpy as np

from openpi.convert import conversion, episode
from openpi.data.lerobot import reader
from openpi.testing import readme


def test_examples(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    variables = readme.run("openpi/convert/README.md", [np, conversion, episode])
    dataset = reader.LeRobotDataset(pathlib.Path("my_dataset"))
    assert (len(dataset), dataset.tasks, dataset.features["action"].shape) == (40, ("wave",), (2,))
    assert variables["options"].version == dataset.info.version
