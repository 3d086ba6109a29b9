import json
import pathlib

import pytest

from openpi.data.lerobot import info

WRITTEN_BY_LEROBOT = pathlib.Path(__file__).parent / "testdata/written_by_lerobot"


def lerobot_json():
    return json.loads((WRITTEN_BY_LEROBOT / info.INFO_PATH).read_text())


def test_reads_and_rewrites_what_lerobot_wrote():
    loaded = info.load(WRITTEN_BY_LEROBOT)
    assert loaded.fps == 10 and loaded.total_frames == 12 and loaded.robot_type == "aloha"
    assert loaded.features["observation.images.top"].image_size == (64, 64)
    assert str(loaded.data_file(2, 13)) == "data/chunk-002/file-013.parquet"
    assert str(loaded.video_file("cam", 0, 1)) == "videos/cam/chunk-000/file-001.mp4"
    assert loaded.to_json() == lerobot_json()


def test_missing_dataset_says_where_and_how_to_get_one(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no LeRobot dataset at .*nowhere.*config\.data\.root.*hf download"):
        info.load(tmp_path / "nowhere")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b'"text"'])
def test_broken_json_names_the_file(tmp_path, content):
    (tmp_path / "meta").mkdir()
    (tmp_path / info.INFO_PATH).write_bytes(content)
    with pytest.raises(ValueError, match=r"meta/info\.json: "):
        info.load(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"codebase_version": "v1.6"}, r"codebase_version is 'v1\.6', and this reader knows v2\.0, v2\.1 and v3\.x"),
        ({"codebase_version": "v2.2"}, r"codebase_version is 'v2\.2'"),
        ({"codebase_version": "v21.0"}, r"codebase_version is 'v21\.0'"),
        ({"codebase_version": None}, "codebase_version is None"),
        ({"fps": 0}, "fps is 0"),
        ({"fps": "10"}, "fps is '10'"),
        ({"fps": float("nan")}, "fps is nan"),
        ({"features": []}, "features is list"),
        ({"total_frames": -1}, "total_frames is -1"),
        ({"total_episodes": 1.5}, "total_episodes is 1.5"),
        ({"total_episodes": 10**100}, "total_episodes is 10{39}, more than the 16777216 that can be read"),
        ({"robot_type": 3}, "robot_type is 3"),
        ({"chunks_size": 0}, "chunks_size is 0, and must be between 1 and 1000000"),
        ({"chunks_size": "1000"}, "chunks_size is '1000'"),
        ({"data_path": None}, "data_path is None: must be text"),
        ({"data_path": "../../etc/passwd"}, "leads out of the dataset's folder"),
        ({"data_path": "/etc/passwd"}, "leads out of the dataset's folder"),
        ({"data_path": "data/{chunk_index.__class__}"}, "only {chunk_index}, {file_index} may stand in it"),
        ({"data_path": "data/{file_index:999999999d}"}, "only {chunk_index}, {file_index} may stand in it"),
        ({"data_path": "data/{file_index!r}"}, "only {chunk_index}, {file_index} may stand in it"),
        ({"data_path": "data/{"}, "data_path is 'data/{'"),
        ({"data_path": "data/{video_key}"}, "only {chunk_index}, {file_index} may stand in it"),
        ({"data_path": "data/{episode_index}.parquet"}, "only {chunk_index}, {file_index} may stand in it"),
        (
            {"codebase_version": "v2.1"},
            "video_path is .*only {episode_chunk}, {episode_index}, {video_key} may stand in it",
        ),
        ({"video_path": None}, "video_path is None: must be text"),
        ({"video_path": "{video_key}/../../x.mp4"}, "leads out of the dataset's folder"),
    ],
)
def test_a_wrong_field_is_named(changes, message):
    with pytest.raises(ValueError, match=message):
        info.parse(lerobot_json() | changes)


@pytest.mark.parametrize(
    ("key", "feature", "message"),
    [
        ("../x", {"dtype": "float32", "shape": [1]}, r"feature name '\.\./x'"),
        ("..", {"dtype": "float32", "shape": [1]}, r"feature name '\.\.'"),
        ("", {"dtype": "float32", "shape": [1]}, "feature name ''"),
        ("x\ny", {"dtype": "float32", "shape": [1]}, r"feature name 'x.ny': must be a line of text"),
        ("x", [], "feature 'x': must be an object"),
        ("x", {"dtype": "object", "shape": [1]}, "feature 'x': dtype 'object'"),
        ("x", {"dtype": "no such", "shape": [1]}, "feature 'x': dtype 'no such'"),
        ("x", {"dtype": None, "shape": [1]}, "feature 'x': dtype None"),
        ("x", {"dtype": "f4, (", "shape": [1]}, "feature 'x': dtype 'f4, .'"),
        ("x", {"dtype": "9" * 30 + "f", "shape": [1]}, "feature 'x': dtype '9999"),
        ("x", {"dtype": "float32", "shape": []}, "feature 'x': shape"),
        ("x", {"dtype": "float32", "shape": [-1]}, "feature 'x': shape"),
        ("x", {"dtype": "float32", "shape": [True]}, "feature 'x': shape"),
        (
            "x",
            {"dtype": "float32", "shape": [1], "info": [1, 2]},
            "feature 'x': info is '.1, 2.', and must be an object",
        ),
        ("x", {"dtype": "float32", "shape": [1 << 40]}, "feature 'x': shape"),
        ("x", {"dtype": "float32", "shape": [1] * 9}, "feature 'x': shape"),
        ("x", {"dtype": "float32", "shape": [1 << 15, 1 << 15]}, "feature 'x': shape"),
        ("x", {"dtype": "float32", "shape": "14"}, "feature 'x': shape"),
        ("x", {"dtype": "image", "shape": [48, 64]}, "feature 'x': image shape"),
    ],
)
def test_a_wrong_feature_is_named(key, feature, message):
    with pytest.raises(ValueError, match=message):
        info.parse_feature(key, feature)


@pytest.mark.parametrize(
    ("shape", "names", "size"),
    [
        ([48, 64, 3], ["height", "width", "channels"], (48, 64)),
        ([3, 48, 64], ["channels", "height", "width"], (48, 64)),
        ([3, 48, 64], None, (48, 64)),
        ([3, 48, 3], ["height", "width", "channel"], (3, 48)),
        ([3, 48, 3], ["channel", "height", "width"], (48, 3)),
    ],
)
def test_image_size_follows_the_declared_axes(shape, names, size):
    feature = info.parse_feature("x", {"dtype": "image", "shape": shape, "names": names})
    assert feature.image_size == size


def test_every_index_column_is_required():
    for key in info.INDEX_FEATURES:
        raw = lerobot_json()
        del raw["features"][key]
        with pytest.raises(ValueError, match=f"features has no '{key}'"):
            info.parse(raw)


def test_v21_has_paths_and_counts_of_its_own():
    names = ("fps", "features", "total_episodes", "total_frames", "total_tasks", "robot_type")
    kept = {key: value for key, value in lerobot_json().items() if key in names}
    data_path, video_path = info.PATHS[info.V21]
    raw = kept | {
        "codebase_version": "v2.1",
        "total_videos": 3,
        "total_chunks": 2,
        "chunks_size": 2,
        "splits": {"train": "0:3"},
        "data_path": data_path,
        "video_path": video_path,
    }
    parsed = info.parse(raw)
    assert parsed.to_json() == raw and parsed.per_episode
    assert str(parsed.data_file(1, 2)) == "data/chunk-001/episode_000002.parquet"
    assert str(parsed.video_file("cam", 1, 2)) == "videos/chunk-001/cam/episode_000002.mp4"
