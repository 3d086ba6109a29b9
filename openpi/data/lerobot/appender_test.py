import errno
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from openpi.data.lerobot import appender, damage, reader, recording

_LENGTHS = (4, 7, 5)
_TREE = pathlib.Path(__file__).parents[3]
# Episode 0 is saved; of episode 1 so many files are moved to their places when the process is killed.
_KILLED = """
import os, pathlib, signal, sys
from openpi.data.lerobot import appender, recording

move = pathlib.Path.replace
for num_files in range(int(sys.argv[2])):
    if not os.fork():
        recorder = appender.LeRobotAppender(f"{sys.argv[1]}/{num_files}", recording.FPS, recording.FEATURES)
        moved = []
        def replace(path, target):
            if recorder.num_episodes == 1 and len(moved) == num_files:
                os.kill(os.getpid(), signal.SIGKILL)
            moved.append(target) if recorder.num_episodes else None
            return move(path, target)
        pathlib.Path.replace = replace
        for n in range(6):
            recorder.add_frame(recording.frame(n))
            if n % 3 == 2:
                recorder.save_episode(recording.TASKS[n // 3])
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.wait()[1]), flush=True)
"""


def _append(root, episodes, **options):
    """Episodes of `_LENGTHS` with these numbers, as `recording.record` makes them."""
    starts = np.cumsum([0, *_LENGTHS])
    with appender.LeRobotAppender(root, recording.FPS, recording.FEATURES, robot_type="aloha", **options) as recorder:
        for episode in episodes:
            for n in range(starts[episode], starts[episode + 1]):
                recorder.add_frame(recording.frame(n))
            recorder.save_episode(recording.TASKS[episode % 2])
            yield recorder.num_episodes


def _assert_same(root, other):
    one, two = reader.LeRobotDataset(root, check_videos=True), reader.LeRobotDataset(other)
    assert len(one) == len(two)
    for row in range(len(one)):
        a, b = one[row], two[row]
        assert a.keys() == b.keys()
        for key, value in a.items():
            np.testing.assert_array_equal(value, b[key], key)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return recording.record(tmp_path_factory.mktemp("whole") / "data", _LENGTHS)


def test_it_is_the_writers_dataset_and_whole_after_each_episode(whole, tmp_path):
    root = tmp_path / "data"
    for num_episodes in _append(root, range(3)):
        assert len(reader.LeRobotDataset(root)) == sum(_LENGTHS[:num_episodes])
    _assert_same(root, whole)
    assert [path.name for path in root.iterdir() if path.name.startswith(".")] == []
    ours, exact = (json.loads((folder / "meta/stats.json").read_text()) for folder in (root, whole))
    assert ours.keys() == exact.keys()
    for key, stats in exact.items():
        for name in ("min", "max", "mean", "std", "count"):
            np.testing.assert_allclose(ours[key][name], stats[name], rtol=1e-6, atol=1e-9, err_msg=f"{key} {name}")
        assert np.shape(ours[key]["q50"]) == np.shape(stats["q50"])
    ours, exact = (json.loads((folder / "meta/info.json").read_text()) for folder in (root, whole))
    assert ours == exact


@pytest.mark.parametrize("by_writer", [False, True])
def test_a_dataset_is_gone_on_with(whole, tmp_path, by_writer):
    root = tmp_path / "data"
    if by_writer:
        recording.record(root, _LENGTHS[:2])
    else:
        assert list(_append(root, [0])) == [1]
        assert list(_append(root, [1])) == [2]
    assert list(_append(root, [2])) == [3]
    _assert_same(root, whole)
    stats, exact = (json.loads((folder / "meta/stats.json").read_text()) for folder in (root, whole))
    np.testing.assert_allclose(stats["action"]["std"], exact["action"]["std"], rtol=1e-6)


def test_an_episode_is_discarded(whole, tmp_path):
    with appender.LeRobotAppender(tmp_path / "data", recording.FPS, recording.FEATURES) as recorder:
        recorder.add_frame(recording.frame(7))
        recorder.discard_episode()
        with pytest.raises(ValueError, match="episode 0 has no frames"):
            recorder.save_episode("reach")
        for n in range(4):
            recorder.add_frame(recording.frame(n))
        recorder.save_episode("reach")
        recorder.add_frame(recording.frame(9))  # lost on leaving
    dataset = reader.LeRobotDataset(tmp_path / "data")
    assert len(dataset) == 4
    assert dataset[3]["note"] == "frame 3"


def test_killed_while_it_saves_all_earlier_episodes_are_whole(tmp_path):
    num_files = 7  # two parquet files of rows and episodes, an mp4, tasks, statistics, info: and one more that is none
    done = subprocess.run(
        [sys.executable, "-c", _KILLED, str(tmp_path), str(num_files)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(_TREE), *filter(None, sys.path)])},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stdout.split() == ["-9"] * 6 + ["0"], done.stderr
    for killed in range(num_files):
        root = tmp_path / str(killed)
        before = 2 if killed == 6 else 1
        dataset = reader.LeRobotDataset(root, check_videos=True)
        assert (dataset.info.total_episodes, len(dataset)) == (before, 3 * before)
        with appender.LeRobotAppender(root, recording.FPS, recording.FEATURES) as recorder:
            assert recorder.num_episodes == before
            for n in range(20, 24):
                recorder.add_frame(recording.frame(n))
            recorder.save_episode("after the kill")
        dataset = reader.LeRobotDataset(root, check_videos=True)
        assert (len(dataset), not dataset.skipped) == (3 * before + 4, True)
        assert [dataset[row]["note"] for row in (0, 3 * before)] == ["frame 0", "frame 20"]
        assert dataset[3 * before]["task"] == "after the kill"
        stats = json.loads((root / "meta/stats.json").read_text())
        assert stats["index"]["count"] == [3 * before + 4]
        assert not (root / ".episode.partial").exists()


def test_a_full_disk_costs_the_episode_and_no_more(whole, tmp_path, monkeypatch):
    root = tmp_path / "data"
    with appender.LeRobotAppender(root, recording.FPS, recording.FEATURES) as recorder:
        for episode in range(3):
            for n in range(3):
                recorder.add_frame(recording.frame(3 * episode + n))
            if episode != 1:
                recorder.save_episode("reach")
                continue
            with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
                patch.setattr(os, "fsync", _full)
                recorder.save_episode("reach")
    assert [reader.LeRobotDataset(root)[row]["note"] for row in (2, 3)] == ["frame 2", "frame 6"]


def _full(_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


_OTHER = {**recording.FEATURES, "reward": {"dtype": "float32", "shape": [1], "names": None}}


@pytest.mark.parametrize(
    ("fps", "features", "robot", "message"),
    [
        (20, recording.FEATURES, "aloha", r"has fps=10, and this recording 20: record into another folder"),
        (10, recording.FEATURES, "ur5", r"has robot_type='aloha', and this recording 'ur5'"),
        (10, _OTHER, "aloha", r"has feature 'reward' as .*float64.*, and this recording .*float32"),
        (10, {"action": recording.FEATURES["action"]}, "aloha", r"has video_path='videos.*', and this recording None"),
    ],
)
def test_a_dataset_of_another_kind_is_refused(whole, fps, features, robot, message):
    with pytest.raises(ValueError, match=message) as error:
        appender.LeRobotAppender(whole, fps, features, robot_type=robot)
    assert "\n" not in str(error.value)
    # The refused one holds no lock.
    appender.LeRobotAppender(whole, 10, recording.FEATURES, robot_type="aloha").close()


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (damage.renamed(damage.EPISODES, "stats/action/q50", "x"), "has no column 'stats/action/q50'"),
        (
            damage.column(damage.EPISODES, "stats/action/std", [[0.0]] * 3),
            r"'stats/action/std' has values of shape \[1\]",
        ),
        (damage.removed("meta/tasks.parquet"), "tasks.parquet is missing"),
    ],
)
def test_a_damaged_dataset_is_not_gone_on_with(tmp_path, harm, message):
    root = recording.record(tmp_path / "data", _LENGTHS)
    harm(root)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        appender.LeRobotAppender(root, 10, recording.FEATURES, robot_type="aloha")


def test_one_program_at_a_time(tmp_path):
    first = appender.LeRobotAppender(tmp_path / "data", 10, recording.FEATURES)
    with pytest.raises(RuntimeError, match="is being recorded by another program"):
        appender.LeRobotAppender(tmp_path / "data", 10, recording.FEATURES)
    first.close()
    appender.LeRobotAppender(tmp_path / "data", 10, recording.FEATURES).close()


def test_a_folder_of_something_else(tmp_path):
    (tmp_path / "letters.txt").write_text("dear")
    with pytest.raises(FileExistsError, match="holds 'letters.txt' and no dataset"):
        appender.LeRobotAppender(tmp_path, 10, recording.FEATURES)
