import dataclasses
import shutil

import numpy as np
import pytest

from openpi.data import fingerprint
from openpi.data.lerobot import reader, recording


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return recording.record(tmp_path_factory.mktemp("data") / "d")


def opened(root, steps=2):
    return reader.LeRobotDataset(root, delta_timestamps={recording.ACTION: [n / 10 for n in range(steps)]})


def test_a_copy_and_another_horizon_are_the_same_recording(root, tmp_path):
    copy = shutil.copytree(root, tmp_path / "copy")
    assert fingerprint.fingerprint(opened(root)) == fingerprint.fingerprint(opened(copy, steps=3))


@pytest.mark.parametrize("lengths", [(4, 7, 6), (7, 4, 5)])
def test_other_episodes_are_another(root, tmp_path, lengths):
    other = opened(recording.record(tmp_path / "d", lengths))
    assert fingerprint.fingerprint(other) != fingerprint.fingerprint(opened(root))


def test_other_numbers_and_tasks_are_another(root, tmp_path, monkeypatch):
    frame = recording.frame
    monkeypatch.setattr(recording, "frame", lambda n: frame(n) | {recording.STATE: np.full(3, n / 2, np.float32)})
    numbers = opened(recording.record(tmp_path / "numbers"))
    monkeypatch.setattr(recording, "frame", frame)
    monkeypatch.setattr(recording, "TASKS", ("reach the cube", "pull the cube"))
    tasks = opened(recording.record(tmp_path / "tasks"))
    assert len({fingerprint.fingerprint(dataset) for dataset in (opened(root), numbers, tasks)}) == 3


def test_another_rate_is_another(root):
    dataset = opened(root)
    before = fingerprint.fingerprint(dataset)
    dataset.info = dataclasses.replace(dataset.info, fps=2 * recording.FPS)
    assert fingerprint.fingerprint(dataset) != before
