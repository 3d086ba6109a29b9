import dataclasses
import json

import numpy as np
import pytest

from openpi.normalization import norm_stats, origin

STATS = {"state": norm_stats.NormStats(mean=np.zeros(2), std=np.ones(2))}
ORIGIN = origin.Origin(
    dataset={"frames": 100, "episodes": 3, "fingerprint": "0123"},
    action_horizon=50,
    delta_mask=[True, False],
    robot={"actions": ["joint", "gripper"], "state_conversions": []},
    repack={"state": "observation.state"},
    method="exact",
    min_std=0.01,
    frames=100,
)


@pytest.fixture
def folder(tmp_path):
    norm_stats.save(tmp_path, STATS)
    origin.save(tmp_path, ORIGIN)
    return tmp_path


def test_comes_back(folder):
    assert origin.load(folder) == ORIGIN
    assert sorted(path.name for path in folder.iterdir()) == ["norm_stats.json", "norm_stats.origin.json"]
    assert norm_stats.load(folder)["state"].mean.shape == (2,)


def test_is_of_the_very_statistics_beside_it(folder):
    norm_stats.save(folder, STATS)
    assert origin.load(folder) == ORIGIN
    norm_stats.save(folder, {"state": norm_stats.NormStats(mean=np.zeros(2), std=np.full(2, 2.0))})
    assert origin.load(folder) is None
    (folder / norm_stats.FILE_NAME).unlink()
    assert origin.load(folder) is None


def test_none_where_there_is_none_or_one_of_another_version(folder, tmp_path_factory):
    assert origin.load(tmp_path_factory.mktemp("empty")) is None
    content = json.loads((folder / origin.FILE_NAME).read_text())
    (folder / origin.FILE_NAME).write_text(json.dumps(content | {"version": 99}))
    assert origin.load(folder) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[:-9], "is not valid JSON"),
        (lambda text: text.replace('"delta_mask"', '"delta"'), "has no field 'delta_mask'"),
        (lambda _: "\ud800", "is not valid JSON"),
    ],
)
def test_a_damaged_record_is_one_line(folder, change, message):
    text = change((folder / origin.FILE_NAME).read_text())
    (folder / origin.FILE_NAME).write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(ValueError, match=message) as caught:
        origin.load(folder)
    assert str(folder) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, []),
        ({"delta_mask": (True, False)}, []),  # a tuple is a list
        ({"frames": 5, "method": "published", "min_std": 0.0}, []),  # how well it was measured, not of what
        ({"action_horizon": 10}, ["action_horizon is 50, not 10"]),
        ({"delta_mask": [True, True]}, ["delta_mask is [true, false], not [true, true]"]),
        ({"dataset": {"frames": 90, "episodes": 3, "fingerprint": "0123"}}, ["dataset.frames is 100, not 90"]),
        ({"robot": {"actions": ["joint", "gripper"]}}, ["robot.state_conversions is [], not null"]),
    ],
)
def test_differences_are_told(changed, said):
    other = dataclasses.replace(ORIGIN, **changed)
    assert ORIGIN.differences(other, (*ORIGIN.UNITS, *ORIGIN.SAMPLES)) == said
