import json
import pathlib
import pickle
import shutil

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from openpi.data.lerobot import chunks, reader, recording

WRITTEN_BY_LEROBOT = pathlib.Path(__file__).parent / "testdata/written_by_lerobot"
LENGTHS = (4, 7, 5)
DATA = "data/chunk-000/file-000.parquet"
EPISODES = "meta/episodes/chunk-000/file-000.parquet"
VIDEO = f"videos/{recording.CAMERA}/chunk-000/file-000.mp4"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return recording.record(tmp_path_factory.mktemp("data") / "dataset", LENGTHS)


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


def test_reads_what_lerobot_wrote():
    dataset = reader.LeRobotDataset(WRITTEN_BY_LEROBOT, delta_timestamps={"action": [0.0, 0.1]})
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


@hypothesis.given(
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=5),
    offsets=st.lists(st.integers(-40, 40), min_size=1, max_size=8),
    data=st.data(),
)
def test_chunks_stay_inside_the_episode(lengths, offsets, data):
    stops = np.cumsum(lengths)
    row = data.draw(st.integers(0, int(stops[-1]) - 1))
    episode = int(np.searchsorted(stops, row, side="right"))
    start, stop = int(stops[episode]) - lengths[episode], int(stops[episode])
    rows, is_pad = chunks.Offsets("x", [o / 10 for o in offsets], 10).rows(row, start, stop)
    for offset, got, pad in zip(offsets, rows, is_pad, strict=True):
        wanted = row + offset
        assert start <= got < stop
        assert pad == (wanted not in range(start, stop))
        assert got == wanted if not pad else got in (start, stop - 1)
        assert got == min(range(start, stop), key=lambda r: abs(r - wanted))


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
    (copy / VIDEO).unlink()
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


def test_pickles(root):
    dataset = reader.LeRobotDataset(root)
    item, again = dataset[6], pickle.loads(pickle.dumps(dataset))[6]
    assert item.keys() == again.keys()
    for key in item:
        np.testing.assert_array_equal(item[key], again[key])


def test_many_files(tmp_path):
    options = {"data_files_size_in_mb": 0, "video_files_size_in_mb": 0, "chunks_size": 2}  # a file an episode
    root = recording.record(tmp_path / "d", (2, 3, 1, 2, 2), **options)
    assert (root / "data/chunk-002/file-000.parquet").is_file()
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


def change_table(path, **columns):
    table = pq.read_table(path)
    for name, values in columns.items():
        name = name.replace("__", "/")
        field = table.schema.field(name)
        table = table.set_column(table.column_names.index(name), field, pa.array(values, field.type))
    pq.write_table(table, path)


def change_info(root, **fields):
    path = root / "meta/info.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda d: (d / DATA).write_bytes(b"nonsense"),
            r"data/chunk-000/file-000\.parquet \(episodes 0 to 2\) is no readable",
        ),
        (
            lambda d: (d / DATA).write_bytes((d / DATA).read_bytes()[:-50]),
            r"file-000\.parquet \(episodes 0 to 2\) is no readable",
        ),
        (lambda d: (d / EPISODES).write_bytes(b""), r"meta/episodes/chunk-000/file-000\.parquet is no readable"),
        (lambda d: (d / "meta/tasks.parquet").write_bytes(b"PAR1PAR1"), r"meta/tasks\.parquet is no readable"),
        (lambda d: (d / DATA).unlink(), r"file-000\.parquet \(episodes 0 to 2\) is missing"),
        (lambda d: (d / EPISODES).unlink(), "meta/episodes holds no parquet file"),
        (lambda d: change_info(d, total_frames=17), "3 episodes of 16 frames, and meta/info.json says 3 of 17"),
        (lambda d: change_info(d, codebase_version="v1.6"), "codebase_version is 'v1.6'"),
        (lambda d: change_table(d / EPISODES, episode_index=[0, 2, 1]), "episode_index does not count from 0"),
        (lambda d: change_table(d / EPISODES, dataset_from_index=[0, 3, 11]), "do not follow one another"),
        (
            lambda d: change_table(d / EPISODES, data__file_index=[0, 0, -1]),
            r"column 'data/file_index' is -1 somewhere",
        ),
        (
            lambda d: change_table(d / DATA, episode_index=[0] * 16),
            "episode 1, frame 0: episode_index is 0, and the metadata says 1",
        ),
        (
            lambda d: change_table(d / DATA, task_index=[9] * 16),
            "file-000.parquet: episode 0, frame 0: task_index 9 has no task, and there are 2",
        ),
        (lambda d: change_table(d / DATA, reward=[None] * 16), "column 'reward' has 16 empty values"),
        (
            lambda d: change_table(d / DATA, timestamp=[0, 0.1, 0.2, 0.35] + [i / 10 for i in (*range(7), *range(5))]),
            "episode 0, frame 3: timestamp 0.350000 s does not follow 0.200000 s by 1/10 s",
        ),
        (lambda d: pq.write_table(pq.read_table(d / DATA).drop("action"), d / DATA), "has no column 'action'"),
        (
            lambda d: pq.write_table(pq.read_table(d / DATA).slice(1), d / DATA),
            r"episodes 0 to 2.: has 15 frames, and the metadata says 16",
        ),
    ],
)
def test_damage_is_found_on_opening_and_named(copy, damage, message):
    damage(copy)
    with pytest.raises((ValueError, FileNotFoundError), match=message) as caught:
        reader.LeRobotDataset(copy)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda d: (d / VIDEO).unlink(), r"episode 1, frame 2: video .*file-000\.mp4 is missing"),
        (
            lambda d: (d / VIDEO).write_bytes(b"nonsense"),
            r"episode 1, frame 2: video .*file-000\.mp4 cannot be decoded",
        ),
        (
            lambda d: change_table(d / EPISODES, **{f"videos__{recording.CAMERA}__from_timestamp": [0, 9.9, 20]}),
            r"episode 1, frame 2: video .*file-000\.mp4 has no frame at 10\.1",
        ),
    ],
)
def test_a_damaged_video_names_its_episode(copy, damage, message):
    damage(copy)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        reader.LeRobotDataset(copy)[6]


def test_a_damaged_png_names_its_episode(copy):
    values = [{"bytes": b"\x89PNG nonsense", "path": ""}] * 16
    change_table(copy / DATA, **{recording.PNG_CAMERA: values})
    with pytest.raises(
        ValueError, match=f"episode 1, frame 2 .*file-000.parquet.: image '{recording.PNG_CAMERA}' cannot be decoded"
    ):
        reader.LeRobotDataset(copy)[6]
