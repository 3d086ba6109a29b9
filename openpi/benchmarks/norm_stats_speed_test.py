import pytest

from openpi.benchmarks import norm_stats_speed, table_reading


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("data") / "d"
    table_reading.write(root, "v3.0", num_episodes=20, num_frames=160)
    return root


@pytest.mark.parametrize(
    ("way", "most", "frames"), [("openpi", 4000, 3200), ("openpi", 50, 50), ("published", 100, 96)]
)
def test_measures(root, way, most, frames):
    found = norm_stats_speed.measure(root, way, most, horizon=5)
    assert found["frames"] == frames
    assert found["seconds"] > 0 and found["open_s"] > 0 and 10 < found["peak_mib"] < 10_000


def test_the_ways_agree(root):
    found = norm_stats_speed.check(root, horizon=5)
    assert found["exact"] == 1
    assert found["mean_std_error"] < 1e-9
    assert 0 < found["published_mean_std_error"] < 1e-3
    assert found["published_quantile_error"] < 1e-3


def test_whole_batches_are_wanted(tmp_path):
    table_reading.write(tmp_path / "d", "v3.0", num_episodes=1, num_frames=33)
    with pytest.raises(ValueError, match="33 frames, which are no whole batches of 32"):
        norm_stats_speed.check(tmp_path / "d", horizon=5)
