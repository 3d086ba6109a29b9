import numpy as np

from openpi.data.lerobot import reader, writer
from openpi.testing import readme


def test_the_example_does_what_it_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    got = readme.run("openpi/data/lerobot/README.md", [np, reader, writer])
    assert got["item"]["observation.images.top"].shape == (3, 48, 64)
    np.testing.assert_array_equal(got["item"]["action"][:, 0], [17, 18, 19, 19, 19, 19, 19, 19])
    assert got["item"]["action_is_pad"].sum() == 5 and got["item"]["task"] == "push the cube"
    assert got["tables"]["action"].shape == (40, 8, 2)
