import numpy as np
import pytest

from openpi.norm_stats import reference
from openpi.normalization import norm_stats


def put(folder, mean):
    norm_stats.save(folder, {"state": norm_stats.NormStats(mean=np.full(2, mean), std=np.ones(2))})


@pytest.fixture
def run(tmp_path):
    """A run with one step, of two assets."""
    (tmp_path / "run/7/params").mkdir(parents=True)
    (tmp_path / "run/7/params/_METADATA").touch()
    put(tmp_path / "run/7/assets/trossen", 1.0)
    put(tmp_path / "run/7/assets/owner/droid", 2.0)
    return tmp_path / "run"


@pytest.mark.parametrize(
    ("name", "asset_id", "mean"),
    [
        ("7/assets/trossen", "x", 1.0),
        ("7/assets/trossen/norm_stats.json", "x", 1.0),
        ("7", "trossen", 1.0),
        ("7", "owner/droid", 2.0),
        ("", "owner/droid", 2.0),
    ],
)
def test_however_it_is_named(run, name, asset_id, mean):
    path, stats = reference.load(str(run / name), asset_id)
    assert path.is_file() and stats["state"].mean[0] == mean


def test_the_only_ones_of_a_checkpoint_are_meant(run):
    for file in (run / "7/assets/trossen").iterdir():
        file.unlink()
    assert reference.load(str(run / "7"), "x")[1]["state"].mean[0] == 2.0


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("7", FileNotFoundError, "no statistics of 'x'; it has: owner/droid, trossen; give"),
        ("8", FileNotFoundError, "there is no such file or folder"),
        ("7/assets", FileNotFoundError, "neither"),
        ("gs://bucket/pi0_base", ValueError, "gs://bucket/pi0_base/assets/x"),
    ],
)
def test_what_is_not_there_is_one_line(run, name, error, message):
    with pytest.raises(error, match=message):
        reference.load(name if "://" in name else str(run / name), "x")
