"""Damaged episodes: each is one clear line that names episode and file, or is left out where the user asked for it."""

import pathlib
import shutil

import numpy as np
import pyarrow as pa
import pytest

from openpi.data.lerobot import damage, reader, recording

LENGTHS = (4, 7, 5)
STATE, CAMERA = recording.STATE, recording.CAMERA


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    return {version: recording.record(folder / version, LENGTHS, version=version) for version in ("v2.1", "v3.0")}


@pytest.fixture
def v30(recorded, tmp_path):
    return pathlib.Path(shutil.copytree(recorded["v3.0"], tmp_path / "v30"))


@pytest.fixture
def v21(recorded, tmp_path):
    return pathlib.Path(shutil.copytree(recorded["v2.1"], tmp_path / "v21"))


def state(n, value):
    """The states of episode 1 with one number changed."""
    values = np.stack([recording.frame(4 + i)[STATE] for i in range(7)])
    values[n, 1] = value
    return values.tolist()


# What damages episode 1 of a v2.1 dataset, and what is said.
EPISODE_1 = [
    (damage.replaced(damage.DATA_1, b"nonsense"), r"episode_000001\.parquet \(episode 1\) is no readable parquet file"),
    (damage.replaced(damage.DATA_1, b""), r"episode_000001\.parquet \(episode 1\) is no readable parquet file"),
    (damage.cut(damage.DATA_1, 0.5), r"episode_000001\.parquet \(episode 1\) is no readable parquet file"),
    (damage.removed(damage.DATA_1), r"episode_000001\.parquet \(episode 1\) is missing"),
    (damage.rows(damage.DATA_1, 1), r"episode_000001\.parquet \(episode 1\): has 6 frames, and the metadata says 7"),
    (
        damage.renamed(damage.DATA_1, "action", "actions"),
        r"parquet \(episode 1\): has no column 'action', .*; it has .*actions, reward",
    ),
    (
        damage.renamed(damage.DATA_1, recording.PNG_CAMERA, "observation.images.jpg"),
        r"parquet \(episode 1\): has no column 'observation.images.png', .*; it has .*observation.images.jpg",
    ),
    (
        damage.column(damage.DATA_1, "action", ["x"] * 7, pa.string()),
        r"episode_000001\.parquet \(episode 1\): column 'action' has values of shape \[\], expected \[3\]",
    ),
    (
        damage.column(damage.DATA_1, "action", [[1.0, 2.0]] * 7, pa.list_(pa.float32())),
        r"episode_000001\.parquet \(episode 1\): column 'action' has values of shape \[2\], expected \[3\]",
    ),
    (
        damage.column(damage.DATA_1, "action", [[1.0, 2.0]] * 3 + [[1.0, 2.0, 3.0, 4.0]] * 4, pa.list_(pa.float32())),
        r"column 'action' has lists of 2 to 4 values, expected \[3\]",
    ),
    (
        damage.column(damage.DATA_1, "done", [0.5] * 7, pa.float32()),
        r"column 'done' has values of float32, and info\.json says bool",
    ),
    (
        damage.column(damage.DATA_1, "note", list(range(7)), pa.int64()),
        r"column 'note' has values of int64, and info\.json says text",
    ),
    (
        damage.column(damage.DATA_1, "task_index", [0, 0, 0, 0, 0, 0, (1 << 64) - 1], pa.uint64()),
        r"column 'task_index' has values from 0 to 18446744073709551615, and info\.json says int64",
    ),
    (damage.column(damage.DATA_1, "reward", [None] * 7), r"\(episode 1\): column 'reward' has 7 empty values"),
    (
        damage.column(damage.DATA_1, STATE, state(3, np.nan)),
        r"000001\.parquet: episode 1, frame 3: 'observation\.state' holds a value",
    ),
    (
        damage.column(damage.DATA_1, STATE, state(5, -np.inf)),
        r"episode 1, frame 5: 'observation\.state' holds a value that is not fin",
    ),
    (
        damage.column(damage.DATA_1, "timestamp", [0, 0.1, 0.2, 0.3, 0.5, 0.6, 0.7]),
        r"000001\.parquet: episode 1, frame 4: timestamp 0\.500000 s does not follow 0\.300000 s by 1/10 s",
    ),
    (
        damage.column(damage.DATA_1, "timestamp", [float("nan")] * 7),
        r"episode 1, frame 0: timestamp nan s does not follow",
    ),
    (
        damage.column(damage.DATA_1, "task_index", [1, 1, 2, 1, 1, 1, 1]),
        r"episode 1, frame 2: task_index 2 has no task, and there are 2",
    ),
    (damage.column(damage.DATA_1, "task_index", [-1] * 7), r"episode 1, frame 0: task_index -1 has no task"),
    (
        damage.column(damage.DATA_1, "episode_index", [3] * 7),
        r"episode 1, frame 0: episode_index is 3, and the metadata says 1",
    ),
]


@pytest.mark.parametrize(("harm", "message"), EPISODE_1)
def test_a_bad_episode_is_named_or_left_out(v21, recorded, caplog, harm, message):
    harm(v21)
    with pytest.raises((ValueError, FileNotFoundError), match=message) as caught:
        reader.LeRobotDataset(v21)
    said = str(caught.value)
    assert "\n" not in said and said.endswith("(config.data.skip_bad_episodes=True leaves bad episodes out)")

    dataset = reader.LeRobotDataset(v21, skip_bad_episodes=True)
    assert list(dataset.skipped) == [1] and dataset.skipped[1] in said
    assert f"left out 1 of 3 episodes: {dataset.skipped[1]}" in caplog.text and len(caplog.messages) == 1
    check_without_episode_1(dataset, reader.LeRobotDataset(recorded["v2.1"]))


def check_without_episode_1(dataset, whole):
    """`dataset` is `whole` without its second episode, rows counted anew."""
    kept = [n for n in range(len(whole)) if whole.table("episode_index")[n] != 1]
    assert len(dataset) == len(kept) == 9
    assert dataset.episodes.start.tolist() == [0, 4] and dataset.episodes.stop.tolist() == [4, 9]
    assert dataset.episodes.index.tolist() == [0, 2]
    for row, n in enumerate(kept):
        item, expected = dataset[row], whole[n]
        assert item["index"] == row and item["episode_index"] == row // 4 - row // 8
        for key in expected.keys() - {"index", "episode_index"}:
            np.testing.assert_array_equal(item[key], expected[key], err_msg=key)
        np.testing.assert_array_equal(dataset.frames(CAMERA, np.array([row])), whole.frames(CAMERA, np.array([n])))
    tables = dataset.read_tables(np.arange(9))
    np.testing.assert_array_equal(tables[STATE], whole.table(STATE)[kept])
    np.testing.assert_array_equal(tables["index"], np.arange(9))


@pytest.mark.parametrize("kind", [FileNotFoundError, ValueError])
def test_what_is_wrong_with_a_video_is_named_or_left_out(v21, recorded, kind):
    harm = damage.removed(damage.VIDEO_1) if kind is FileNotFoundError else damage.cut(damage.VIDEO_1, 0.7)
    harm(v21)
    dataset = reader.LeRobotDataset(v21)  # tables need no video
    message = r"episode 1, frame 6: video .*episode_000001\.mp4 (is missing|cannot be decoded|has no frame)"
    with pytest.raises(kind, match=message) as caught:
        dataset[10]
    assert "\n" not in str(caught.value)
    assert ("config.data.skip_bad_episodes=True" in str(caught.value)) == (kind is FileNotFoundError)
    with pytest.raises(kind, match=r"episode 1.*video .*episode_000001\.mp4"):
        reader.LeRobotDataset(v21, check_videos=True)

    skipping = reader.LeRobotDataset(v21, skip_bad_episodes=True)
    assert list(skipping.skipped) == [1] and "episode_000001.mp4" in skipping.skipped[1]
    check_without_episode_1(skipping, reader.LeRobotDataset(recorded["v2.1"]))
    tables_only = reader.LeRobotDataset(v21, keys=[STATE], skip_bad_episodes=True)
    assert len(tables_only) == 16 and tables_only.skipped == {}


def test_a_file_of_many_episodes_takes_all_of_them_along(tmp_path, caplog):
    options = {"data_files_size_in_mb": 0, "chunks_size": 2}  # a parquet file an episode, one video
    root = recording.record(tmp_path / "d", LENGTHS, version="v3.0", **options)
    whole = reader.LeRobotDataset(root)
    (root / "data/chunk-000/file-001.parquet").write_bytes(b"")
    dataset = reader.LeRobotDataset(root, skip_bad_episodes=True)
    assert list(dataset.skipped) == [1] and "chunk-000/file-001.parquet (episode 1)" in caplog.text
    expected = whole[11]
    for key, value in dataset[4].items():
        if key not in ("index", "episode_index"):
            np.testing.assert_array_equal(value, expected[key], err_msg=key)


def test_one_bad_episode_of_a_shared_file_is_left_out(v30, recorded):
    whole = reader.LeRobotDataset(recorded["v3.0"])
    states = whole.table(STATE).copy()
    states[7] = np.nan
    damage.column(damage.DATA, STATE, states.tolist())(v30)
    with pytest.raises(ValueError, match=r"file-000\.parquet: episode 1, frame 3: 'observation\.state' holds a value"):
        reader.LeRobotDataset(v30)
    assert len(reader.LeRobotDataset(v30, check_finite=False)) == 16
    assert len(reader.LeRobotDataset(v30, keys=["action"])) == 16  # a column that nobody asked for
    check_without_episode_1(reader.LeRobotDataset(v30, skip_bad_episodes=True), whole)


@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
def test_a_dataset_without_a_good_episode_is_refused(recorded, tmp_path, version):
    root = pathlib.Path(shutil.copytree(recorded[version], tmp_path / "copy"))
    damage.info(fps=30)(root)
    with pytest.raises(ValueError, match="episode 0, frame 1: timestamp 0.100000 s does not follow .*correct fps$"):
        reader.LeRobotDataset(root)
    with pytest.raises(ValueError, match="has no good episode left; .*episode 0, frame 1: timestamp"):
        reader.LeRobotDataset(root, skip_bad_episodes=True)
