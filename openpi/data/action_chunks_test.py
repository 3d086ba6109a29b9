import io
import sys

import numpy as np
import pytest

from openpi.data import action_chunks, mixture
from openpi.data.lerobot import reader, recording


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    root = recording.record(tmp_path_factory.mktemp("data") / "d")
    return reader.LeRobotDataset(root, delta_timestamps={recording.ACTION: [0.0, 0.1, 0.2]})


def transform(tables):
    assert recording.CAMERA not in tables  # nothing is decoded
    return {"actions": tables[recording.ACTION] / 10, "state": tables[recording.STATE]}


def test_a_chunk_a_frame_that_stays_in_its_episode(dataset):
    got = action_chunks.read(dataset, transform)
    assert got.shape == (16, 3, 3) and got.dtype == np.float32
    ends = np.repeat([3, 10, 15], [4, 7, 5])
    for row in range(16):
        expected = [recording.frame(min(row + t, ends[row]))[recording.ACTION] / 10 for t in range(3)]
        np.testing.assert_allclose(got[row], expected, rtol=1e-6)


def test_fewer_chunks_are_a_fixed_random_choice(dataset):
    first, second = (action_chunks.read(dataset, transform, max_chunks=5) for _ in range(2))
    assert first.shape == (5, 3, 3)
    np.testing.assert_array_equal(first, second)
    everything = action_chunks.read(dataset, transform, max_chunks=1000)
    rows = [np.flatnonzero((everything == chunk).all((1, 2)))[0] for chunk in first]
    assert rows == sorted(set(rows)) != list(range(5))


def test_a_mixture_gives_those_of_all_its_datasets(dataset):
    got = action_chunks.read(mixture.Mixture([(dataset, 1), (dataset, 5)]), transform)
    np.testing.assert_array_equal(got, np.tile(action_chunks.read(dataset, transform), (2, 1, 1)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda sample: {"action": sample["actions"]}, r"give no 'actions', only \['action'\]: correct config\.data"),
        (
            lambda sample: sample | {"actions": sample["actions"] * np.nan},
            r"'actions' of frame 0 \(episode 0\) holds a value that is not",
        ),
    ],
)
def test_wrong_data_is_one_clear_line(dataset, change, message):
    with pytest.raises(ValueError, match=message):
        action_chunks.read(dataset, lambda tables: change(transform(tables)))


def test_progress_is_shown_on_a_terminal_only(dataset, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    for stream, shown in ((Terminal(), True), (io.StringIO(), False)):
        monkeypatch.setattr(sys, "stderr", stream)
        action_chunks.read(dataset, transform)
        assert ("read: 100%" in stream.getvalue()) == shown
