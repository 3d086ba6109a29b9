import logging
import sys

import numpy as np
import pytest

from openpi.config import robots
from openpi.normalization import norm_stats, origin
from openpi.trainer import data_source, norm_stats_source, tiny_dataset


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tiny_dataset.record(tmp_path_factory.mktemp("data") / "reach")


def config_of(root, assets, **settings):
    return tiny_dataset.config(data__root=str(root), assets_base_dir=str(assets), **settings)


def load(config):
    return norm_stats_source.load_or_compute(config, data_source.open_dataset(config))


def test_missing_ones_are_computed_once_where_that_is_wanted(root, tmp_path):
    config = config_of(root, tmp_path)
    first = load(config)
    folder = norm_stats_source.directory(config)
    assert sorted(path.name for path in folder.iterdir()) == ["norm_stats.json", "norm_stats.origin.json"]
    recorded = origin.load(folder)
    assert recorded is not None and recorded.frames == 18 and recorded.dataset["episodes"] == 3
    written = (folder / "norm_stats.json").stat().st_mtime_ns
    second = load(config)
    assert (folder / "norm_stats.json").stat().st_mtime_ns == written
    np.testing.assert_array_equal(first["actions"].q99, second["actions"].q99)


def test_without_them_the_command_is_told(root, tmp_path, monkeypatch):
    arguments = ["--config=experiments/aloha.py", "--config_name", "x", "--config.data.root=a folder", "--dry_run"]
    monkeypatch.setattr(sys, "argv", ["train", *arguments])
    with pytest.raises(FileNotFoundError) as caught:
        load(config_of(root, tmp_path, data__compute_norm_stats=False))
    told = str(caught.value)
    assert f"no norm_stats.json in {tmp_path}/aloha_reach/openpi/aloha_reach" in told
    assert (
        "`tools/bazel run //openpi/norm_stats -- --config=experiments/aloha.py --config_name=x "
        "'--config.data.root=a folder'`" in told
    )
    monkeypatch.setattr(sys, "argv", ["a_test"])
    assert norm_stats_source.command() == "tools/bazel run //openpi/norm_stats -- --config=..."


@pytest.mark.parametrize(
    ("robot", "message"),
    [
        (robots.aloha(adapt_to_pi=False, delta=False), r"delta_mask is \[true, .*, not \[\]"),
        (robots.aloha(adapt_to_pi=True, delta=True), "robot.state_conversions is \\[\\], not"),
    ],
)
def test_those_of_other_numbers_are_refused(root, tmp_path, robot, message):
    load(config_of(root, tmp_path))
    config = config_of(root, tmp_path)
    config.data.robot = robot
    with pytest.raises(ValueError, match=f"(?s)are of other numbers.*{message}.*compute them again with") as caught:
        load(config)
    assert "\n" not in str(caught.value)


def test_those_of_other_data_are_used_with_a_warning(root, tmp_path, caplog):
    load(config_of(root, tmp_path))
    other = tiny_dataset.record(tmp_path / "other", joints=14)
    for settings, message in (
        ({"model__action_horizon": 5}, "action_horizon is 4, not 5"),
        ({"data__root": str(other)}, None),  # the same recording elsewhere
    ):
        with caplog.at_level(logging.WARNING, "openpi"):
            caplog.clear()
            config = config_of(root, tmp_path)
            config.update_from_flattened_dict({key.replace("__", "."): value for key, value in settings.items()})
            load(config)
        told = [record.getMessage() for record in caplog.records if "norm stats" in record.getMessage()]
        assert len(told) == (message is not None) and (message is None or message in told[0])


def test_published_ones_without_a_record_are_taken_as_they_are(root, tmp_path, caplog):
    config = config_of(root, tmp_path)
    entry = norm_stats.NormStats(mean=np.zeros(14), std=np.ones(14), q01=-np.ones(14), q99=np.ones(14))
    norm_stats.save(norm_stats_source.directory(config), {"state": entry, "actions": entry})
    assert load(config)["state"].mean[0] == 0
    assert not [record for record in caplog.records if "norm stats" in record.getMessage()]
