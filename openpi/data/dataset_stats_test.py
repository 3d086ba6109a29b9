import io
import shutil
import sys

import numpy as np
import pytest

from openpi.data import dataset_stats, mixture
from openpi.data.lerobot import info as lerobot_info
from openpi.data.lerobot import reader, recording
from openpi.normalization import running_stats

LENGTHS = (40, 25, 60)
CHUNK = {recording.ACTION: [0.0, 0.1, 0.2]}


@pytest.fixture(scope="module", params=[lerobot_info.V21, lerobot_info.V30])
def dataset(request, tmp_path_factory):
    root = recording.record(tmp_path_factory.mktemp("data") / "d", LENGTHS, version=request.param)
    shutil.rmtree(root / "videos")  # statistics must not need them
    return reader.LeRobotDataset(root, delta_timestamps=CHUNK, check_videos=False)


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    return reader.LeRobotDataset(recording.record(tmp_path_factory.mktemp("data") / "s", (8,)), delta_timestamps=CHUNK)


def transform(tables):
    """Deltas in place, as a robot's transforms compute them."""
    tables[recording.ACTION] -= tables[recording.STATE][:, None]
    assert recording.CAMERA not in tables and "note" not in tables
    return {"state": tables[recording.STATE], "actions": tables[recording.ACTION]}


def expected(lengths=LENGTHS):
    states, actions, n = [], [], 0
    for length in lengths:
        frames = [recording.frame(n + i) for i in range(length)]
        states += [frame[recording.STATE] for frame in frames]
        actions += [
            [frames[min(i + t, length - 1)][recording.ACTION] - frames[i][recording.STATE] for t in range(3)]
            for i in range(length)
        ]
        n += length
    return np.array(states, np.float64), np.array(actions, np.float64).reshape(-1, 3)


def check(found, samples):
    np.testing.assert_allclose(found.mean, samples.mean(0), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(found.std, samples.std(0), rtol=1e-6, atol=1e-9)
    ordered, n = np.sort(samples, axis=0), len(samples)
    for got, place in (
        (found.minimum, 1),
        (found.q01, -(-n // 100)),
        (found.q99, -(-n * 99 // 100)),
        (found.maximum, n),
    ):
        np.testing.assert_array_equal(got, ordered[place - 1])


def test_every_step_of_every_chunk_counts(dataset):
    found = dataset_stats.measure(dataset, transform)
    for key, samples in zip(("state", "actions"), expected(), strict=True):
        check(found[key], samples)
        assert found[key].count == len(samples)


def test_datasets_of_a_mixture_count_by_their_weights(dataset, short):
    found = dataset_stats.measure(mixture.Mixture([(dataset, 1), (short, 3)]), transform)
    for key, long, small in zip(("state", "actions"), expected(), expected((8,)), strict=True):
        check(found[key], np.concatenate([np.repeat(long, 8, axis=0), np.repeat(small, 3 * 125, axis=0)]))


def test_fewer_frames_are_a_fixed_random_choice(dataset):
    seen = []

    def remember(tables):
        seen.append(tables["index"].tolist())
        return transform(tables)

    first, second = (dataset_stats.measure(dataset, remember, max_frames=30) for _ in range(2))
    assert all(rows == seen[0] for rows in seen) and len(set(seen[0])) == 30 and max(seen[0]) > 60
    np.testing.assert_array_equal(first["state"].mean, second["state"].mean)
    assert first["actions"].count == 90


def test_as_published_drops_the_last_partial_batch(dataset):
    """Batches of 50 of 125 frames in float32, in order, each as the published estimator takes it."""
    found = dataset_stats.measure_as_published(dataset, transform, batch_size=50)
    for key, samples in zip(("state", "actions"), expected(), strict=True):
        running = running_stats.RunningStats()
        for batch in np.split(samples.astype(np.float32).reshape(125, -1, 3)[:100], 2):
            running.update(batch)
        for field, value in vars(running.get_statistics()).items():
            np.testing.assert_array_equal(getattr(found[key], field), value, strict=True)
        assert found[key].count == running.count and found[key].mean.dtype == np.float32


def test_as_published_with_fewer_frames(dataset):
    found = dataset_stats.measure_as_published(dataset, transform, batch_size=20, max_frames=50)
    assert found["state"].count == 40
    assert found["state"].maximum[0] > 60  # shuffled


def test_as_published_is_not_for_everything(dataset, short):
    with pytest.raises(ValueError, match="batch_size=9 frames are to be measured"):
        dataset_stats.measure_as_published(short, transform, batch_size=9)
    with pytest.raises(ValueError, match="knows no mixtures"):
        dataset_stats.measure_as_published(mixture.Mixture([(dataset, 1), (short, 1)]), transform, batch_size=4)


def test_one_frame_has_no_spread(tmp_path):
    single = reader.LeRobotDataset(recording.record(tmp_path / "d", (1,)), delta_timestamps=CHUNK)
    with pytest.raises(ValueError, match="need at least 2 frames, got 1"):
        dataset_stats.measure(single, transform)


def test_progress_is_shown_on_a_terminal_only(dataset, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    for stream, shown in ((Terminal(), True), (io.StringIO(), False)):
        monkeypatch.setattr(sys, "stderr", stream)
        dataset_stats.measure(dataset, transform)
        dataset_stats.measure_as_published(dataset, transform, batch_size=4)
        assert all(
            (text in stream.getvalue()) == shown for text in ("norm stats, reading 2: 100%", "as published: 100%")
        )


def test_two_frames_are_enough(tmp_path):
    pair = reader.LeRobotDataset(recording.record(tmp_path / "d", (2,)), delta_timestamps=CHUNK)
    assert dataset_stats.measure(pair, transform)["state"].count == 2


def test_as_many_frames_as_there_are_is_all_of_them(dataset):
    """The published script shuffles only if fewer are wanted."""
    whole = dataset_stats.measure_as_published(dataset, transform, batch_size=50)["state"]
    same = dataset_stats.measure_as_published(dataset, transform, batch_size=50, max_frames=len(dataset))["state"]
    np.testing.assert_array_equal(same.mean, whole.mean)
    np.testing.assert_array_equal(same.maximum, whole.maximum)
    for most in (len(dataset), 10 * len(dataset)):
        assert dataset_stats.measure(dataset, transform, max_frames=most)["state"].count == len(dataset)


def test_fewer_frames_of_a_mixture_are_of_each_by_its_length(dataset, short):
    both = mixture.Mixture([(dataset, 1), (short, 1)])
    assert dataset_stats.measure(both, transform, max_frames=66)["state"].count == round(125 * 66 / 133) + round(
        8 * 66 / 133
    )
    assert dataset_stats.measure(both, transform, max_frames=2)["state"].count == 3  # one of the short one at least
