import io
import shutil
import sys

import numpy as np
import pytest

from openpi.data import dataset_stats
from openpi.data.lerobot import reader, recording

LENGTHS = (40, 25, 60)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = recording.record(tmp_path_factory.mktemp("data") / "d", LENGTHS)
    shutil.rmtree(root / "videos")  # statistics must not need them
    return root


@pytest.fixture(scope="module")
def dataset(root):
    return reader.LeRobotDataset(root, delta_timestamps={recording.ACTION: [0.0, 0.1, 0.2]})


def transform(item):
    """Deltas in place, as a robot's transforms compute them."""
    item[recording.ACTION] -= item[recording.STATE]
    assert item[recording.CAMERA].shape == (3, 1, 1)
    return {"state": item[recording.STATE], "actions": item[recording.ACTION], "image": item[recording.CAMERA]}


def expected():
    states, actions, n = [], [], 0
    for length in LENGTHS:
        frames = [recording.frame(n + i) for i in range(length)]
        states += [frame[recording.STATE] for frame in frames]
        actions += [
            [frames[min(i + t, length - 1)][recording.ACTION] - frames[i][recording.STATE] for t in range(3)]
            for i in range(length)
        ]
        n += length
    return np.array(states, np.float64), np.array(actions, np.float64).reshape(-1, 3)


def test_every_step_of_every_chunk_counts(dataset):
    stats = dataset_stats.compute_norm_stats(dataset, transform)
    for key, values in zip(("state", "actions"), expected(), strict=True):
        np.testing.assert_allclose(stats[key].mean, values.mean(0), rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(stats[key].std, values.std(0), rtol=1e-6, atol=1e-9)
        span = values.max(0) - values.min(0)
        for q, got in ((0.01, stats[key].q01), (0.99, stats[key].q99)):
            # quantiles come from 5000 bins
            exact = np.quantile(values, q, axis=0, method="inverted_cdf")
            np.testing.assert_allclose((got - exact) / span, 0, atol=2 / 5000)


def test_a_dimension_that_hardly_varies_is_not_scaled(dataset):
    def narrow(item):
        return {"state": np.array([5.0, item[recording.STATE][1], 3.0 + 1e-4 * item[recording.STATE][1]])}

    plain = dataset_stats.compute_norm_stats(dataset, narrow, keys=("state",))["state"]
    stats = dataset_stats.compute_norm_stats(dataset, narrow, keys=("state",), min_std=1e-2)["state"]
    assert plain.std[0] < 1e-6 and 1e-5 < plain.std[2] < 1e-3
    np.testing.assert_array_equal(stats.std, [1.0, plain.std[1], 1.0])
    np.testing.assert_array_equal(stats.mean, plain.mean)
    np.testing.assert_allclose(stats.q01, [4.0, plain.q01[1], stats.mean[2] - 1])
    np.testing.assert_allclose(stats.q99, [6.0, plain.q99[1], stats.mean[2] + 1])


def test_fewer_frames_are_a_fixed_random_choice(dataset):
    seen = []

    def remember(item):
        seen.append(int(item["index"]))
        return transform(item)

    first = dataset_stats.compute_norm_stats(dataset, remember, max_frames=30)
    second = dataset_stats.compute_norm_stats(dataset, remember, max_frames=30)
    assert seen[:30] == seen[30:] and len(set(seen)) == 30 and max(seen) > 60
    np.testing.assert_array_equal(first["state"].mean, second["state"].mean)
    assert len(seen) == 60


@pytest.mark.parametrize(
    ("keys", "change", "message"),
    [
        (
            ("state", "action"),
            0.0,
            r"give no 'action', only \['actions', 'image', 'state'\]: correct config\.data\.repack",
        ),
        (("state",), np.nan, "'state' of frame 77 holds a value that is not finite"),
        (("state",), np.inf, "'state' of frame 77 holds a value that is not finite"),
    ],
)
def test_wrong_data_is_one_clear_line(dataset, keys, change, message):
    def wrong(item):
        item[recording.STATE][1] += change if item["index"] == 77 else 0
        return transform(item)

    with pytest.raises(ValueError, match=message):
        dataset_stats.compute_norm_stats(dataset, wrong, keys=keys)


def test_progress_is_shown_on_a_terminal_only(dataset, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    for stream, shown in ((Terminal(), True), (io.StringIO(), False)):
        monkeypatch.setattr(sys, "stderr", stream)
        dataset_stats.compute_norm_stats(dataset, transform)
        assert ("norm stats" in stream.getvalue()) == shown
