import json

import pytest

from openpi.config import schema
from openpi.data.rlds import open_droid, recording


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENPI_DATA_HOME", str(tmp_path / "home"))
    for name, version, length in (("droid", "1.0.1", 5), ("cotrain", "1.0.0", 3)):
        recording.write(tmp_path / "data" / name / version, [recording.droid_episode(0, length)], num_files=1)
    ranges = {"/data/success/day/0/recordings/MP4--/data/success/day/0/trajectory.h5": [[1, 3]]}
    (tmp_path / "ranges.json").write_text(json.dumps(ranges))
    config = schema.base_config("droid")
    config.model.action_horizon = 4
    config.data.rlds.data_dir = str(tmp_path / "data")
    config.data.rlds.datasets = (
        {"name": "droid", "version": "1.0.1", "weight": 0.9, "filter": str(tmp_path / "ranges.json")},
        {"name": "cotrain", "version": "1.0.0", "weight": 0.1, "filter": ""},
    )
    return config


def test_datasets_with_their_weights(config, tmp_path):
    (droid, weight), (cotrain, other) = open_droid.open_droid(config)
    assert (len(droid), weight, len(cotrain), other) == (2, 0.9, 3, 0.1)
    assert droid[0]["actions"].shape == (4, 8)
    velocity = recording.droid_episode(0, 5)["steps/action_dict/joint_velocity"]
    assert droid[0]["actions"][0, 1] != pytest.approx(velocity[1, 1])
    config.data.rlds.action_space = "joint_velocity"
    assert open_droid.open_droid(config)[0][0][0]["actions"][0, 1] == pytest.approx(velocity[1, 1])
    assert (tmp_path / "home/rlds").is_dir()


def test_a_filter_may_be_a_url(config, tmp_path):
    config.data.rlds.datasets[0]["filter"] = "gs://no-such-bucket-of-openpi"
    with pytest.raises((OSError, ValueError), match="gs://no-such-bucket-of-openpi"):
        open_droid.open_droid(config)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            lambda rlds: rlds.update(data_dir=""),
            ValueError,
            "config.data.rlds.data_dir is '': set it to the local folder",
        ),
        (lambda rlds: rlds.update(data_dir="gs://b"), ValueError, "data_dir is 'gs://b': set it to the local folder"),
        (
            lambda rlds: rlds.update(data_dir="/nowhere"),
            FileNotFoundError,
            "no /nowhere/droid/1.0.1: set --config.data.rlds.data_dir",
        ),
        (
            lambda rlds: rlds.update(datasets=({"name": "droid", "version": "1.0.1"},)),
            ValueError,
            r"datasets\[0\] has the fields name, version, expected name, version, weight, filter",
        ),
    ],
)
def test_what_cannot_be_opened_is_named(config, change, error, message):
    change(config.data.rlds)
    with pytest.raises(error, match=message):
        open_droid.open_droid(config)
