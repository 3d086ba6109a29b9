"""Damaged datasets: each is one clear line that names episode and file, or is left out where the user asked for it."""

import io
import json
import pathlib
import shutil
import struct
import zlib

import av
import numpy as np
import PIL.Image
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from openpi.data.lerobot import layout_v30, reader, recording

LENGTHS = (4, 7, 5)
STATE, CAMERA = recording.STATE, recording.CAMERA

# v3.0: files of all episodes; v2.1: those of episode 1.
DATA, VIDEO = "data/chunk-000/file-000.parquet", f"videos/{CAMERA}/chunk-000/file-000.mp4"
DATA_1, VIDEO_1 = "data/chunk-000/episode_000001.parquet", f"videos/chunk-000/{CAMERA}/episode_000001.mp4"
EPISODES = "meta/episodes/chunk-000/file-000.parquet"


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


def column(file, name, values, kind=None):
    """Damage: a column with other values, perhaps of another Arrow type."""

    def damage(root):
        table = pq.read_table(root / file)
        place = table.column_names.index(name)
        array = pa.array(values, kind or table.schema.field(name).type)
        pq.write_table(table.set_column(place, name, array), root / file)

    return damage


def renamed(file, old, new):
    def damage(root):
        table = pq.read_table(root / file)
        pq.write_table(table.rename_columns([new if name == old else name for name in table.column_names]), root / file)

    return damage


def rows(file, start):
    return lambda root: pq.write_table(pq.read_table(root / file).slice(start), root / file)


def replaced(file, content):
    return lambda root: (root / file).write_bytes(content)


def cut(file, fraction):
    def damage(root):
        content = (root / file).read_bytes()
        (root / file).write_bytes(content[: int(len(content) * fraction)])

    return damage


def replaced_in(file, place, content):
    def damage(root):
        whole = (root / file).read_bytes()
        (root / file).write_bytes(whole[:place] + content + whole[place + len(content) :])

    return damage


def all_of(*damages):
    return lambda root: [damage(root) for damage in damages]


def removed(file):
    return lambda root: (root / file).unlink()


def info(**fields):
    def damage(root):
        path = root / "meta/info.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | fields))

    return damage


def state(n, value):
    """The states of episode 1 with one number changed."""
    values = np.stack([recording.frame(4 + i)[STATE] for i in range(7)])
    values[n, 1] = value
    return values.tolist()


# What damages episode 1 of a v2.1 dataset, and what is said.
EPISODE_1 = [
    (replaced(DATA_1, b"nonsense"), r"episode_000001\.parquet \(episode 1\) is no readable parquet file"),
    (replaced(DATA_1, b""), r"episode_000001\.parquet \(episode 1\) is no readable parquet file"),
    (cut(DATA_1, 0.5), r"episode_000001\.parquet \(episode 1\) is no readable parquet file"),
    (removed(DATA_1), r"episode_000001\.parquet \(episode 1\) is missing"),
    (rows(DATA_1, 1), r"episode_000001\.parquet \(episode 1\): has 6 frames, and the metadata says 7"),
    (
        renamed(DATA_1, "action", "actions"),
        r"parquet \(episode 1\): has no column 'action', .*; it has .*actions, reward",
    ),
    (
        renamed(DATA_1, recording.PNG_CAMERA, "observation.images.jpg"),
        r"parquet \(episode 1\): has no column 'observation.images.png', .*; it has .*observation.images.jpg",
    ),
    (
        column(DATA_1, "action", ["x"] * 7, pa.string()),
        r"episode_000001\.parquet \(episode 1\): column 'action' has values of shape \[\], expected \[3\]",
    ),
    (
        column(DATA_1, "action", [[1.0, 2.0]] * 7, pa.list_(pa.float32())),
        r"episode_000001\.parquet \(episode 1\): column 'action' has values of shape \[2\], expected \[3\]",
    ),
    (
        column(DATA_1, "action", [[1.0, 2.0]] * 3 + [[1.0, 2.0, 3.0, 4.0]] * 4, pa.list_(pa.float32())),
        r"column 'action' has lists of 2 to 4 values, expected \[3\]",
    ),
    (
        column(DATA_1, "done", [0.5] * 7, pa.float32()),
        r"column 'done' has values of float32, and info\.json says bool",
    ),
    (
        column(DATA_1, "note", list(range(7)), pa.int64()),
        r"column 'note' has values of int64, and info\.json says text",
    ),
    (
        column(DATA_1, "task_index", [0, 0, 0, 0, 0, 0, (1 << 64) - 1], pa.uint64()),
        r"column 'task_index' has values from 0 to 18446744073709551615, and info\.json says int64",
    ),
    (column(DATA_1, "reward", [None] * 7), r"\(episode 1\): column 'reward' has 7 empty values"),
    (
        column(DATA_1, STATE, state(3, np.nan)),
        r"000001\.parquet: episode 1, frame 3: 'observation\.state' holds a value",
    ),
    (
        column(DATA_1, STATE, state(5, -np.inf)),
        r"episode 1, frame 5: 'observation\.state' holds a value that is not fin",
    ),
    (
        column(DATA_1, "timestamp", [0, 0.1, 0.2, 0.3, 0.5, 0.6, 0.7]),
        r"000001\.parquet: episode 1, frame 4: timestamp 0\.500000 s does not follow 0\.300000 s by 1/10 s",
    ),
    (column(DATA_1, "timestamp", [float("nan")] * 7), r"episode 1, frame 0: timestamp nan s does not follow"),
    (
        column(DATA_1, "task_index", [1, 1, 2, 1, 1, 1, 1]),
        r"episode 1, frame 2: task_index 2 has no task, and there are 2",
    ),
    (column(DATA_1, "task_index", [-1] * 7), r"episode 1, frame 0: task_index -1 has no task"),
    (column(DATA_1, "episode_index", [3] * 7), r"episode 1, frame 0: episode_index is 3, and the metadata says 1"),
]


@pytest.mark.parametrize(("damage", "message"), EPISODE_1)
def test_a_bad_episode_is_named_or_left_out(v21, recorded, caplog, damage, message):
    damage(v21)
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
    damage = removed(VIDEO_1) if kind is FileNotFoundError else cut(VIDEO_1, 0.7)
    damage(v21)
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


def test_a_video_that_begins_later_than_its_table_is_left_out(v21):
    with av.open(str(v21 / VIDEO_1)) as source, av.open(str(v21 / "later.mp4"), "w") as shifted:
        stream = shifted.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.pts, packet.dts = packet.pts + 2 * packet.duration, packet.dts + 2 * packet.duration
                packet.stream = stream
                shifted.mux(packet)
    (v21 / "later.mp4").replace(v21 / VIDEO_1)
    dataset = reader.LeRobotDataset(v21, skip_bad_episodes=True)
    assert list(dataset.skipped) == [1]
    assert "episode 1, frame 0: video " in dataset.skipped[1] and "the next one is at 0.2" in dataset.skipped[1]


def test_a_video_that_breaks_in_the_middle_is_named_when_it_is_read(v21):
    content = bytearray((v21 / VIDEO_1).read_bytes())
    start = content.index(b"mdat") + 4
    content[start + 200 : -1] = bytes(len(content) - start - 201)
    (v21 / VIDEO_1).write_bytes(content)
    dataset = reader.LeRobotDataset(v21)
    with pytest.raises(
        ValueError, match=r"episode 1, frame \d: video .*episode_000001\.mp4 (cannot be decoded|has no)"
    ):
        [dataset[n] for n in range(4, 11)]
    assert dataset[3][STATE][0] == 3 and dataset[11][CAMERA].shape == (3, 48, 64)


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
    column(DATA, STATE, states.tolist())(v30)
    with pytest.raises(ValueError, match=r"file-000\.parquet: episode 1, frame 3: 'observation\.state' holds a value"):
        reader.LeRobotDataset(v30)
    assert len(reader.LeRobotDataset(v30, check_finite=False)) == 16
    assert len(reader.LeRobotDataset(v30, keys=["action"])) == 16  # a column that nobody asked for
    check_without_episode_1(reader.LeRobotDataset(v30, skip_bad_episodes=True), whole)


@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
def test_a_dataset_without_a_good_episode_is_refused(recorded, tmp_path, version):
    root = pathlib.Path(shutil.copytree(recorded[version], tmp_path / "copy"))
    info(fps=30)(root)
    with pytest.raises(ValueError, match="episode 0, frame 1: timestamp 0.100000 s does not follow .*correct fps$"):
        reader.LeRobotDataset(root)
    with pytest.raises(ValueError, match="has no good episode left; .*episode 0, frame 1: timestamp"):
        reader.LeRobotDataset(root, skip_bad_episodes=True)


# Wrong metadata: nothing is left out, and no memory is taken for what it claims.
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (replaced(EPISODES, b""), r"meta/episodes/chunk-000/file-000\.parquet is no readable"),
        (replaced("meta/tasks.parquet", b"PAR1PAR1"), r"meta/tasks\.parquet is no readable"),
        (removed("meta/tasks.parquet"), r"meta/tasks\.parquet is missing"),
        (removed(EPISODES), "meta/episodes holds no parquet file"),
        (removed(DATA), r"file-000\.parquet \(episodes 0 to 2\) is missing"),
        (cut(DATA, 0.9), r"file-000\.parquet \(episodes 0 to 2\) is no readable"),
        (rows(DATA, 1), r"file-000\.parquet \(episodes 0 to 2\): has 15 frames, and the metadata says 16"),
        (info(total_frames=17), r"3 episodes of 16 frames, and meta/info\.json says 3 of 17"),
        (info(total_frames=1 << 60), "says 3 of 1152921504606846976"),
        (
            all_of(column(EPISODES, "dataset_to_index", [4, 11, 1 << 45]), info(total_frames=1 << 45)),
            r"file-000\.parquet and the other tables have 35184372088832 frames by the metadata: they need \d+ GiB, and this",
        ),
        (
            all_of(rows(DATA, 1), replaced_in(DATA, 4, bytes(200))),  # the footer is read before the pages
            r"file-000\.parquet \(episodes 0 to 2\): has 15 frames, and the metadata says 16",
        ),
        (info(codebase_version="v1.6"), "codebase_version is 'v1.6'"),
        (info(codebase_version="v2.1"), r"info\.json: video_path is .*only {episode_chunk}, {episode_index}"),
        (info(data_path="../{file_index}.parquet"), "leads out of the dataset's folder"),
        (info(data_path="{chunk_index:999999999d}"), "only {chunk_index}, {file_index} may stand in it"),
        (column(EPISODES, "episode_index", [0, 2, 1]), "episode_index does not count from 0"),
        (column(EPISODES, "dataset_from_index", [0, 3, 11]), "do not follow one another"),
        (column(EPISODES, "dataset_to_index", [4, 11, 1 << 50]), "episodes of 1125899906842624 frames, and"),
        (column(EPISODES, "data/file_index", [0, 0, -1]), r"column 'data/file_index' is -1 somewhere"),
        (column(EPISODES, "data/file_index", [0, 0, 7]), r"file-000\.parquet \(episodes 0 to 1\): has 16 frames"),
        (column(EPISODES, "data/file_index", ["0"] * 3, pa.string()), "'data/file_index' is object, expected int64"),
        (
            column(EPISODES, f"videos/{CAMERA}/from_timestamp", [0, np.nan, 1]),
            r"from_timestamp' is nan somewhere",
        ),
        (
            all_of(
                info(total_episodes=1 << 23), replaced_in(EPISODES, 4, bytes(200))
            ),  # the footer is read before the pages
            r"meta/episodes: 3 episodes, and meta/info\.json says 8388608",
        ),
        (
            renamed("meta/tasks.parquet", "task_index", "index"),
            r"tasks\.parquet: has columns .*, expected task_index and",
        ),
        (column("meta/tasks.parquet", "task_index", [0, 5]), "task_index must count from 0, each with a text"),
        (column("meta/tasks.parquet", "task_index", [0, None]), "task_index must count from 0, each with a text"),
    ],
)
def test_wrong_metadata_of_v30_is_named(v30, damage, message):
    damage(v30)
    check_refused(v30, message)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (removed("meta/episodes.jsonl"), r"meta/episodes\.jsonl is missing"),
        (removed("meta/tasks.jsonl"), r"meta/tasks\.jsonl is missing"),
        (replaced("meta/episodes.jsonl", b"\n"), r"episodes\.jsonl: the dataset has no episodes"),
        (
            replaced("meta/episodes.jsonl", b'{"episode_index": 0, "length": 4'),
            r"episodes\.jsonl, line 1: not valid JSON",
        ),
        (replaced("meta/episodes.jsonl", b"[" * 100_000), r"episodes\.jsonl, line 1: not valid JSON"),
        (replaced("meta/episodes.jsonl", b"\xff\n"), r"episodes\.jsonl, line 1: not valid JSON"),
        (replaced("meta/episodes.jsonl", b" " * (5 << 20)), r"episodes\.jsonl, line 1: longer than 4 MiB"),
        (replaced("meta/episodes.jsonl", b"3\n"), r"episodes\.jsonl, line 1: the top level is no JSON object"),
        (
            replaced("meta/episodes.jsonl", b'{"episode_index": 0}'),
            "entry 0: length is 'None', and must be a whole number",
        ),
        (
            replaced("meta/episodes.jsonl", b'{"episode_index": 0, "length": 1' + b"0" * 4000 + b"}"),
            "entry 0: length is '10+', and must be a whole number",
        ),
        (replaced("meta/episodes.jsonl", b'{"episode_index": 0, "length": 0}'), "entry 0: length is 0"),
        (
            replaced("meta/episodes.jsonl", b'{"episode_index": 1, "length": 4}'),
            "entry 0: episode_index is 1, and must count",
        ),
        (
            replaced("meta/episodes.jsonl", b'{"episode_index": 0, "length": 16}'),
            r"1 episodes of 16 frames, and .* says 3 of",
        ),
        (info(total_frames=17), r"3 episodes of 16 frames, and meta/info\.json says 3 of 17"),
        (
            replaced("meta/tasks.jsonl", b'{"task_index": 1, "task": "t"}'),
            r"tasks\.jsonl: task_index must count from 0",
        ),
        (replaced("meta/tasks.jsonl", b'{"task_index": 0, "task": 3}'), r"tasks\.jsonl: task_index must count from 0"),
        (replaced("meta/tasks.jsonl", b'{"task_index": true, "task": "t"}'), "entry 0: task_index is 'True'"),
        (info(data_path="{episode_index}/../../x"), "leads out of the dataset's folder"),
        (info(chunks_size=2), r"chunk-001/episode_000002\.parquet \(episode 2\) is missing"),
        (replaced("meta/info.json", b"{" + b" " * (65 << 20) + b"}"), "info.json: larger than 64 MiB"),
    ],
)
def test_wrong_metadata_of_v21_is_named(v21, damage, message):
    damage(v21)
    check_refused(v21, message)


def test_more_tasks_than_anybody_has_are_not_read(v30, monkeypatch):
    monkeypatch.setattr(layout_v30, "_MAX_TASKS", 1)
    check_refused(v30, r"tasks\.parquet: has 2 rows, more than the 1 tasks that can be read")


def check_refused(root, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message) as caught:
        reader.LeRobotDataset(root)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 1000


def test_an_image_that_is_none_is_named(v30):
    values = [{"bytes": b"\x89PNG nonsense", "path": ""}] * 8 + [{"bytes": None, "path": "x.png"}] * 8
    column(DATA, recording.PNG_CAMERA, values)(v30)
    dataset = reader.LeRobotDataset(v30)
    where = rf"file-000\.parquet.: image '{recording.PNG_CAMERA}'"
    with pytest.raises(ValueError, match=rf"episode 1, frame 2 .*{where} cannot be decoded"):
        dataset[6]
    with pytest.raises(ValueError, match=rf"episode 1, frame 4 .*{where} is not inside the parquet file"):
        dataset[8]


def png_header(height, width):
    """A PNG file that promises an image and has none."""
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"x")) + chunk(b"IEND", b"")


def png(image):
    file = io.BytesIO()
    PIL.Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (png_header(60_000, 60_000), "cannot be decoded .*3600000000 pixels"),
        (png_header(8000, 8000), "is 8000x8000 .height x width., and info.json says 8x12"),
        (png(np.full((8, 12), 30_000, np.uint16)), "is of mode I;16, and only colours of 8 bits can be read"),
    ],
    ids=["larger than Pillow takes", "of another size", "of 16 bits"],
)
def test_an_image_of_another_kind_is_named_before_it_is_decoded(v30, content, message):
    column(DATA, recording.PNG_CAMERA, [{"bytes": content, "path": ""}] * 16)(v30)
    with pytest.raises(ValueError, match=rf"episode 1, frame 2 .*file-000\.parquet.: image .* {message}"):
        reader.LeRobotDataset(v30)[6]


def test_a_video_of_other_places_is_named(v30):
    column(EPISODES, f"videos/{CAMERA}/from_timestamp", [0, 9.9, 20])(v30)
    with pytest.raises(ValueError, match=r"episode 1, frame 2: video .*file-000\.mp4 has no frame at 10\.1"):
        reader.LeRobotDataset(v30)[6]
