import json
import pathlib
import pickle
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from openpi.data.lerobot import reader, recording, writer

TESTDATA = pathlib.Path(__file__).parent / "testdata"
LENGTHS = (4, 7, 5)


@pytest.fixture(scope="module", params=["v2.0", "v2.1", "v3.0"])
def root(request, tmp_path_factory):
    root = tmp_path_factory.mktemp("data") / "dataset"
    if request.param != "v2.0":
        return recording.record(root, LENGTHS, version=request.param)
    recording.record(root, LENGTHS, version="v2.1")
    info = json.loads((root / "meta/info.json").read_text())
    (root / "meta/info.json").write_text(json.dumps(info | {"codebase_version": "v2.0"}))
    (root / "meta/episodes_stats.jsonl").unlink()  # v2.0 has a stats.json, which is not read
    return root


@pytest.fixture
def copy(root, tmp_path):
    return pathlib.Path(shutil.copytree(root, tmp_path / "copy"))


def test_reads_back_what_was_recorded(root):
    dataset = reader.LeRobotDataset(root)
    assert len(dataset) == sum(LENGTHS) and dataset.fps == recording.FPS and dataset.tasks == recording.TASKS
    assert len(dataset.episodes) == len(LENGTHS)
    n = 0
    for episode, length in enumerate(LENGTHS):
        for i in range(length):
            item, frame = dataset[n], recording.frame(n)
            for key in (recording.STATE, recording.ACTION, "reward", "done"):
                np.testing.assert_array_equal(item[key], frame[key])
                assert item[key].dtype == frame[key].dtype and item[key].shape == np.shape(frame[key])
            assert item["note"] == frame["note"] and item["task"] == recording.TASKS[episode % 2]
            assert (item["index"], item["frame_index"], item["episode_index"]) == (n, i, episode)
            assert item["timestamp"] == np.float32(i / recording.FPS)
            np.testing.assert_array_equal(item[recording.PNG_CAMERA], frame[recording.PNG_CAMERA])
            assert item[recording.CAMERA].shape == (3, recording.HEIGHT, recording.WIDTH)
            assert np.abs(item[recording.CAMERA].transpose(1, 2, 0).astype(int) - frame[recording.CAMERA]).mean() < 3
            n += 1
    with pytest.raises(IndexError):
        dataset[n]


@pytest.mark.parametrize("folder", ["written_by_lerobot", "written_by_lerobot_v21"])
def test_reads_what_lerobot_wrote(folder):
    dataset = reader.LeRobotDataset(TESTDATA / folder, delta_timestamps={"action": [0.0, 0.1]})
    assert dataset.tasks == ("reach the cube", "push the cube")
    n = 0
    for episode, length in enumerate((3, 5, 4)):
        for i in range(length):
            item = dataset[n]
            np.testing.assert_array_equal(item["observation.state"], [n, episode])
            m = min(i + 1, length - 1) - i + n
            np.testing.assert_array_equal(item["action"], [[n + 0.5, -n], [m + 0.5, -m]])
            np.testing.assert_array_equal(item["action_is_pad"], [False, m == n])
            assert item["next.reward"] == n / 8 and item["next.done"] == (i == length - 1)
            assert item["task"] == dataset.tasks[episode % 2]
            assert abs(item["observation.images.top"][2].mean() - 20 * n) < 2
            png = np.full((8, 12, 3), n * 10, np.uint8)
            png[n % 8, :, 0] = 255
            np.testing.assert_array_equal(item["observation.images.png"].transpose(1, 2, 0), png)
            n += 1


def test_deltas_of_vectors_scalars_and_images(root):
    deltas = {
        recording.ACTION: [0.0, 0.1, 0.2],
        "reward": [-0.1, 0.0],
        recording.CAMERA: [-0.1, 0.0],
        recording.PNG_CAMERA: [0.0],
    }
    item = reader.LeRobotDataset(root, delta_timestamps=deltas)[9]  # frame 5 of the 7 of episode 1
    expected = [recording.frame(n)[recording.ACTION] for n in (9, 10, 10)]
    np.testing.assert_array_equal(item[recording.ACTION], expected)
    np.testing.assert_array_equal(item[f"{recording.ACTION}_is_pad"], [False, False, True])
    np.testing.assert_array_equal(item["reward"], [8 / 7, 9 / 7])
    assert item[recording.CAMERA].shape == (2, 3, recording.HEIGHT, recording.WIDTH)
    assert item[recording.PNG_CAMERA].shape == (1, 3, 8, 12)
    for n, image in zip((8, 9), item[recording.CAMERA], strict=True):
        assert abs(image[2].mean() - (37 * n) % 256) < 3


def test_items_may_be_changed_without_harm(root):
    dataset = reader.LeRobotDataset(root, delta_timestamps={recording.ACTION: [0.0, 0.1]})
    item = dataset[3]
    item[recording.ACTION] -= 100
    item[recording.STATE] *= 0
    np.testing.assert_array_equal(dataset[3][recording.ACTION][0], recording.frame(3)[recording.ACTION])
    np.testing.assert_array_equal(dataset[3][recording.STATE], recording.frame(3)[recording.STATE])
    with pytest.raises(ValueError, match="read-only"):
        dataset.table(recording.STATE)[0] = 0


def test_tables_need_no_decoding(copy):
    shutil.rmtree(copy / "videos")
    dataset = reader.LeRobotDataset(copy)
    states = np.stack([recording.frame(n)[recording.STATE] for n in range(sum(LENGTHS))])
    np.testing.assert_array_equal(dataset.table(recording.STATE), states)
    assert dataset.table("note")[3] == "frame 3" and dataset.table("reward").shape == (16,)
    item = dataset.without_images()[5]
    assert item[recording.CAMERA].shape == (3, 1, 1) and item[recording.STATE][0] == 5
    with pytest.raises(ValueError, match=f"delivers no table '{recording.CAMERA}'; it delivers observation.state"):
        dataset.table(recording.CAMERA)


def test_only_the_keys_asked_for(root):
    dataset = reader.LeRobotDataset(root, keys=[recording.STATE, recording.PNG_CAMERA])
    index = {"timestamp", "frame_index", "episode_index", "index", "task_index", "task"}
    assert dataset[0].keys() == {recording.STATE, recording.PNG_CAMERA} | index
    with pytest.raises(
        ValueError, match=f"delivers no camera '{recording.CAMERA}'; it delivers {recording.PNG_CAMERA}"
    ):
        dataset.frames(recording.CAMERA, np.array([0]))


def test_a_depth_camera_is_in_nobodys_way(copy):
    info = json.loads((copy / "meta/info.json").read_text())
    info["features"][recording.CAMERA]["shape"] = [recording.HEIGHT, recording.WIDTH, 1]
    (copy / "meta/info.json").write_text(json.dumps(info))
    assert reader.LeRobotDataset(copy, keys=[recording.PNG_CAMERA])[0][recording.PNG_CAMERA].shape == (3, 8, 12)
    message = rf"copy: images '{recording.CAMERA}' have shape \[48, 64, 1\], and only .* can be read .*: leave them out"
    with pytest.raises(ValueError, match=message):
        reader.LeRobotDataset(copy)


def test_pickles(root):
    dataset = reader.LeRobotDataset(root)
    item, again = dataset[6], pickle.loads(pickle.dumps(dataset))[6]
    assert item.keys() == again.keys()
    for key in item:
        np.testing.assert_array_equal(item[key], again[key])


@pytest.mark.parametrize(("version", "last"), [("v2.1", "episode_000004"), ("v3.0", "file-000")])
def test_many_files(tmp_path, version, last):
    options = {"data_files_size_in_mb": 0, "video_files_size_in_mb": 0, "chunks_size": 2}  # a file an episode
    root = recording.record(tmp_path / "d", (2, 3, 1, 2, 2), version=version, **options)
    assert (root / f"data/chunk-002/{last}.parquet").is_file()
    dataset = reader.LeRobotDataset(root)
    for n in np.random.default_rng(0).permutation(10):
        np.testing.assert_array_equal(dataset[n][recording.STATE], recording.frame(n)[recording.STATE])
        np.testing.assert_array_equal(dataset[n][recording.PNG_CAMERA], recording.frame(n)[recording.PNG_CAMERA])
        assert abs(dataset[n][recording.CAMERA][2].mean() - (37 * n) % 256) < 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keys": ["observation.images.cam_low"]}, "no feature 'observation.images.cam_low'; it has observation.state"),
        ({"delta_timestamps": {"actions": [0.0]}}, "no feature 'actions'; it has observation.state, action, reward"),
        ({"delta_timestamps": {"action": [0.0, 0.05]}}, "delta_timestamps of 'action' must be multiples of 1/10 s"),
        ({"delta_timestamps": {"action": []}}, "delta_timestamps of 'action' must be multiples"),
        ({"delta_timestamps": {"action": [float("nan")]}}, "delta_timestamps of 'action' must be multiples"),
    ],
)
def test_wrong_requests_name_what_there_is(root, options, message):
    with pytest.raises(ValueError, match=message):
        reader.LeRobotDataset(root, **options)


def test_a_delta_within_the_tolerance_is_taken(root):
    assert reader.LeRobotDataset(root, delta_timestamps={"action": [0.10005]})[0]["action"].shape == (1, 3)
    with pytest.raises(ValueError, match="must be multiples"):
        reader.LeRobotDataset(root, delta_timestamps={"action": [0.1002]})


def test_both_formats_show_the_same(tmp_path):
    deltas = {recording.ACTION: [0.0, 0.1, 0.2], recording.CAMERA: [-0.1, 0.0]}
    old, new = (
        reader.LeRobotDataset(recording.record(tmp_path / version, LENGTHS, version=version), delta_timestamps=deltas)
        for version in ("v2.1", "v3.0")
    )
    assert (len(old), old.fps, old.tasks) == (len(new), new.fps, new.tasks) and old.features == new.features
    for i in range(len(new)):
        assert old[i].keys() == new[i].keys()
        for key, value in new[i].items():
            np.testing.assert_array_equal(old[i][key], value, err_msg=key)


FEATURES = {
    "pose": {"dtype": "float64", "shape": [2, 3], "names": None},
    "cube": {"dtype": "float32", "shape": [2, 1, 2], "names": None},
    "mask": {"dtype": "bool", "shape": [3], "names": None},
    "level": {"dtype": "uint8", "shape": [1], "names": None},
}


def numbers(n):
    random = np.random.default_rng(n)
    return {
        "pose": random.normal(size=(2, 3)),
        "cube": random.normal(size=(2, 1, 2)).astype(np.float32),
        "mask": random.integers(0, 2, 3).astype(bool),
        "level": np.uint8(n),
    }


@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
@pytest.mark.parametrize("stored", ["as written", "as lists of any length"])
def test_arrays_of_any_depth(tmp_path, version, stored):
    with writer.LeRobotWriter(tmp_path / "d", 10, FEATURES, version=version) as recorder:
        for n in range(5):
            recorder.add_frame(numbers(n))
        recorder.save_episode("t")
    if stored != "as written":  # as old versions of Hugging Face's datasets stored them
        (path,) = (tmp_path / "d/data").rglob("*.parquet")
        table = pq.read_table(path)
        kinds = {"mask": pa.list_(pa.bool_()), "pose": pa.large_list(pa.list_(pa.float64(), 3))}
        for key, kind in kinds.items():
            column = pa.array(table[key].to_pylist(), kind)
            table = table.set_column(table.column_names.index(key), key, column)
        pq.write_table(table, path)
    dataset = reader.LeRobotDataset(tmp_path / "d", delta_timestamps={"pose": [0.0, 0.1]})
    for n in range(5):
        item, frame = dataset[n], numbers(n)
        np.testing.assert_array_equal(item["pose"], [frame["pose"], numbers(min(n + 1, 4))["pose"]])
        for key in ("cube", "mask", "level"):
            np.testing.assert_array_equal(item[key], frame[key])
            assert item[key].dtype == frame[key].dtype and item[key].shape == np.shape(frame[key])


def test_many_rows_at_once_are_the_items_stacked(root):
    deltas = {recording.ACTION: [i / 10 for i in range(4)], "reward": [-0.2, 0.0, 0.3], "done": [0.0]}
    dataset = reader.LeRobotDataset(root, delta_timestamps=deltas)
    rows = np.random.default_rng(0).integers(0, len(dataset), 50)
    found, items = dataset.read_tables(rows), [dataset.without_images()[int(row)] for row in rows]
    assert found.keys() == items[0].keys() - {"task", "note", recording.CAMERA, recording.PNG_CAMERA}
    for key, values in found.items():
        np.testing.assert_array_equal(values, np.stack([item[key] for item in items]), err_msg=key)
        assert values.dtype == items[0][key].dtype
        values[:] = 0  # harms nothing
    assert dataset.table(recording.STATE)[1, 0] == 1
    assert dataset.read_tables(np.array([], np.int64))[recording.ACTION].shape == (0, 4, 3)


@pytest.mark.parametrize("rows", [[16], [-1, 3], [[1]]])
def test_rows_that_there_are_not_are_named(root, rows):
    with pytest.raises(IndexError, match=r"rows must be int \[n\] from 0 to 15, and are \[+"):
        reader.LeRobotDataset(root).read_tables(np.array(rows))


def test_an_episode_shorter_than_the_chunk_is_padded(tmp_path):
    root = recording.record(tmp_path / "d", (2, 1, 3), version="v2.1")
    dataset = reader.LeRobotDataset(root, delta_timestamps={recording.ACTION: [i / 10 for i in range(50)]})
    item = dataset[2]
    assert item[recording.ACTION].shape == (50, 3) and item[f"{recording.ACTION}_is_pad"].tolist() == [False] + 49 * [
        True
    ]
    np.testing.assert_array_equal(item[recording.ACTION], np.tile(recording.frame(2)[recording.ACTION], (50, 1)))
    chunks = dataset.read_tables(np.arange(6))[recording.ACTION]
    np.testing.assert_array_equal(
        chunks[:, :, 0], [np.minimum(n + np.arange(50), last) + 0.5 for n, last in enumerate((1, 1, 2, 5, 5, 5))]
    )
