import matplotlib.image
import numpy as np
import pytest

from openpi.trainer import open_loop, tiny_dataset, training_data


@pytest.mark.parametrize("stride", [1, 4, 25])
def test_the_recorded_chunks_give_the_recorded_episode(tmp_path, monkeypatch, stride):
    monkeypatch.setenv("OPENPI_DATA_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    tiny_dataset.record(tmp_path / "datasets" / "openpi" / "aloha_reach")
    road = training_data.open_data(tiny_dataset.config(validation__episodes=(2,))).held_out
    roll = open_loop.read(road, 0, stride)
    assert (roll.number, roll.length, roll.stride) == (2, 6, min(stride, 4))
    recorded = np.stack([road.dataset[row]["action"][0] for row in range(6)])
    np.testing.assert_allclose(open_loop.stitch(roll.frames.recorded, roll.stride, roll.length), recorded, rtol=1e-6)


@pytest.mark.parametrize("names", [("arm",), ("arm", "hand", "gripper")])
def test_a_picture_shows_both(tmp_path, names):
    recorded = np.sin(np.arange(20)[:, None] / 4 + np.arange(len(names)))
    path = open_loop.draw(tmp_path / "new" / "a.png", recorded + 0.5, recorded, names, "episode 3", 5)
    picture = matplotlib.image.imread(path)
    colours = {"predicted": (0.122, 0.467, 0.706), "recorded": (0.251, 0.251, 0.251)}
    for colour in colours.values():
        assert np.sum(np.all(np.abs(picture[..., :3] - colour) < 0.02, axis=-1)) > 200
    same = open_loop.draw(tmp_path / "b.png", recorded, recorded, names, "episode 3", 5)
    assert matplotlib.image.imread(same).shape == picture.shape
    assert same.read_bytes() != path.read_bytes()
    assert [entry.name for entry in path.parent.iterdir()] == ["a.png"]
