import json
import os
import pathlib
import resource
import signal
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from openpi.data.lerobot import json_text, recording, writer

WRITTEN_BY_LEROBOT = pathlib.Path(__file__).parent / "testdata/written_by_lerobot"
WRITTEN_BY_LEROBOT_V21 = pathlib.Path(__file__).parent / "testdata/written_by_lerobot_v21"
LIKE_LEROBOT = {  # the features of testdata/written_by_lerobot
    "observation.state": {"dtype": "float32", "shape": [2], "names": ["a", "b"]},
    "action": {"dtype": "float32", "shape": [2], "names": ["a", "b"]},
    "next.reward": {"dtype": "float32", "shape": [1], "names": None},
    "next.done": {"dtype": "bool", "shape": [1], "names": None},
    "observation.images.top": {"dtype": "video", "shape": [64, 64, 3], "names": ["height", "width", "channels"]},
    "observation.images.png": {"dtype": "image", "shape": [8, 12, 3], "names": ["height", "width", "channels"]},
}
VECTOR = {"x": {"dtype": "float32", "shape": [2], "names": None}}


def like_lerobot_frame(n, episode, last):
    y, x = np.mgrid[:64, :64]
    png = np.full((8, 12, 3), n * 10, np.uint8)
    png[n % 8, :, 0] = 255
    return {
        "observation.state": np.array([n, episode], np.float32),
        "action": np.array([n + 0.5, -n], np.float32),
        "next.reward": np.array([n / 8], np.float32),
        "next.done": np.array([last]),
        "observation.images.top": np.stack([x * 4, y * 4, np.full_like(x, 20 * n)], -1).astype(np.uint8),
        "observation.images.png": png,
    }


@pytest.fixture(scope="module")
def like_lerobot(tmp_path_factory):
    """What lerobot recorded into testdata/written_by_lerobot, recorded by our writer."""
    return record_like_lerobot(tmp_path_factory.mktemp("written") / "dataset", "v3.0")


@pytest.fixture(scope="module")
def like_lerobot_v21(tmp_path_factory):
    """The same of testdata/written_by_lerobot_v21."""
    return record_like_lerobot(tmp_path_factory.mktemp("written") / "dataset", "v2.1")


def record_like_lerobot(root, version):
    n = 0
    with writer.LeRobotWriter(root, 10, LIKE_LEROBOT, version=version, robot_type="aloha") as recorder:
        for episode, (length, task) in enumerate([(3, "reach the cube"), (5, "push the cube"), (4, "reach the cube")]):
            for i in range(length):
                recorder.add_frame(like_lerobot_frame(n, episode, i == length - 1))
                n += 1
            recorder.save_episode(task)
    return root


def files(root):
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_the_same_files_as_lerobot(like_lerobot):
    assert files(like_lerobot) == files(WRITTEN_BY_LEROBOT)


def test_v21_is_the_same_as_lerobots_but_for_the_codec(like_lerobot_v21):
    assert files(like_lerobot_v21) == files(WRITTEN_BY_LEROBOT_V21)
    ours, theirs = (
        json.loads((root / "meta/info.json").read_text()) for root in (like_lerobot_v21, WRITTEN_BY_LEROBOT_V21)
    )
    assert ours["features"]["observation.images.top"]["info"].pop("video.codec") == "h264"
    assert theirs["features"]["observation.images.top"]["info"].pop("video.codec") == "av1"
    assert ours == theirs and list(ours["features"]) == list(theirs["features"])
    for name in ("tasks", "episodes", "episodes_stats"):
        ours, theirs = (
            [json.loads(line) for line in (root / f"meta/{name}.jsonl").read_text().splitlines()]
            for root in (like_lerobot_v21, WRITTEN_BY_LEROBOT_V21)
        )
        if name != "episodes_stats":
            assert ours == theirs
    for our, their in zip(ours, theirs, strict=True):
        assert list(our["stats"]) == list(their["stats"]) and our["episode_index"] == their["episode_index"]
        for key, stats in their["stats"].items():
            assert list(our["stats"][key]) == list(stats) == ["min", "max", "mean", "std", "count"]
            for name, value in stats.items():  # lerobot takes them of the images before they are encoded, as we do
                np.testing.assert_allclose(our["stats"][key][name], value, atol=1e-6, err_msg=f"{key} {name}")


@pytest.mark.parametrize("episode", range(3))
def test_v21_has_the_same_tables_as_lerobots(like_lerobot_v21, episode):
    file = f"data/chunk-000/episode_{episode:06d}.parquet"
    ours, theirs = (pq.read_table(root / file) for root in (like_lerobot_v21, WRITTEN_BY_LEROBOT_V21))
    assert ours.schema.equals(theirs.schema)
    assert json.loads(ours.schema.metadata[b"huggingface"]) == json.loads(theirs.schema.metadata[b"huggingface"])
    assert ours.drop("observation.images.png").equals(theirs.drop("observation.images.png"))


def test_the_same_info_but_for_the_codec(like_lerobot):
    ours, theirs = (json.loads((root / "meta/info.json").read_text()) for root in (like_lerobot, WRITTEN_BY_LEROBOT))
    assert ours["features"]["observation.images.top"]["info"].pop("video.codec") == "h264"
    assert theirs["features"]["observation.images.top"]["info"].pop("video.codec") == "av1"
    assert ours == theirs and list(ours["features"]) == list(theirs["features"])


@pytest.mark.parametrize("file", ["data/chunk-000/file-000.parquet", "meta/episodes/chunk-000/file-000.parquet"])
def test_the_same_tables_as_lerobot(like_lerobot, file):
    ours, theirs = (pq.ParquetFile(root / file) for root in (like_lerobot, WRITTEN_BY_LEROBOT))
    assert ours.schema_arrow.names == theirs.schema_arrow.names
    assert [str(field.type) for field in ours.schema_arrow] == [str(field.type) for field in theirs.schema_arrow]
    assert ours.metadata.num_row_groups == theirs.metadata.num_row_groups
    assert ours.metadata.row_group(0).column(0).compression == "SNAPPY"
    for name in ours.schema_arrow.names:
        if not name.startswith("stats/") and name != "observation.images.png":
            values = ours.read([name])[name].to_pylist()
            if name.endswith("_timestamp"):
                values = pytest.approx(values, abs=1e-9)
            assert theirs.read([name])[name].to_pylist() == values, name


def test_the_same_description_for_hugging_face_datasets(like_lerobot):
    ours, theirs = (
        json.loads(pq.read_schema(root / "data/chunk-000/file-000.parquet").metadata[b"huggingface"])["info"]
        for root in (like_lerobot, WRITTEN_BY_LEROBOT)
    )
    assert ours == theirs


def test_the_same_tasks_table(like_lerobot):
    ours, theirs = (pq.read_table(root / "meta/tasks.parquet") for root in (like_lerobot, WRITTEN_BY_LEROBOT))
    assert ours.to_pydict() == theirs.to_pydict()
    ours, theirs = (json.loads(table.schema.metadata[b"pandas"]) for table in (ours, theirs))
    assert ours["index_columns"] == theirs["index_columns"]
    assert [c["field_name"] for c in ours["columns"]] == [c["field_name"] for c in theirs["columns"]]


def test_statistics_have_lerobots_form_and_the_right_values(like_lerobot):
    ours, theirs = (json.loads((root / "meta/stats.json").read_text()) for root in (like_lerobot, WRITTEN_BY_LEROBOT))
    assert ours.keys() == theirs.keys()
    for key in theirs:
        assert ours[key].keys() == theirs[key].keys()
        for name in theirs[key]:
            assert np.shape(ours[key][name]) == np.shape(theirs[key][name]), (key, name)
        # lerobot's own quantiles are averages over episodes, and its image std overflows: these two are no reference
        exact = ("min", "max", "mean", "count") + (() if "images" in key else ("std",))
        for name in exact:
            if key != "observation.images.top" or name == "count":  # lossy video
                np.testing.assert_allclose(ours[key][name], theirs[key][name], rtol=1e-6, err_msg=f"{key} {name}")
    assert np.shape(ours["observation.images.top"]["mean"]) == (3, 1, 1)
    np.testing.assert_allclose(ours["action"]["q50"], [6.0, -5.5])
    np.testing.assert_allclose(np.ravel(ours["observation.images.top"]["mean"])[2], 110 / 255)


def test_files_are_split_at_their_size_limits(tmp_path):
    noise = np.random.default_rng(0)
    features = {
        "x": {"dtype": "float64", "shape": [4096], "names": None},
        "cam": {"dtype": "video", "shape": [256, 256, 3], "names": None},
    }
    options = {"data_files_size_in_mb": 1, "video_files_size_in_mb": 1, "chunks_size": 2}
    with writer.LeRobotWriter(tmp_path / "d", 10, features, crf=1, **options) as recorder:
        for _ in range(5):
            for _ in range(6):
                recorder.add_frame(
                    {"x": noise.normal(size=4096), "cam": noise.integers(0, 256, (256, 256, 3), np.uint8)}
                )
            recorder.save_episode("t")
    names = [
        "chunk-000/file-000",
        "chunk-000/file-001",
        "chunk-001/file-000",
        "chunk-001/file-001",
        "chunk-002/file-000",
    ]
    found = files(tmp_path / "d")
    tables = [name for name in found if name.startswith("data/")]
    assert len(tables) > 1 and tables == [f"data/{name}.parquet" for name in names[: len(tables)]]
    assert [name for name in found if name.startswith("videos/")] == [f"videos/cam/{name}.mp4" for name in names]
    rows = pq.read_table(tmp_path / "d/meta/episodes/chunk-000/file-000.parquet").to_pydict()
    assert rows["videos/cam/chunk_index"] == [0, 0, 1, 1, 2] and rows["videos/cam/file_index"] == [0, 1, 0, 1, 0]
    assert rows["videos/cam/from_timestamp"] == [0.0] * 5


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("saved", [0, 2])
@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
def test_an_exception_while_recording_leaves_nothing(tmp_path, error, saved, version):
    options = {"version": version}
    with (
        pytest.raises(error),
        writer.LeRobotWriter(tmp_path / "d", recording.FPS, recording.FEATURES, **options) as recorder,
    ):
        for _ in range(saved):
            recorder.add_frame(recording.frame(0))
            recorder.save_episode("t")
        recorder.add_frame(recording.frame(1))
        raise error
    assert list(tmp_path.iterdir()) == []


def test_an_exception_while_finalizing_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(json_text, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        recording.record(tmp_path / "d")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
def test_an_episode_that_was_half_written_ends_the_recording(tmp_path, version):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    random, features = np.random.default_rng(0), {"cam": {"dtype": "image", "shape": [64, 64, 3]}}
    recorder = writer.LeRobotWriter(tmp_path / "d", 10, features, version=version)

    def add_frames():
        for _ in range(10):
            recorder.add_frame({"cam": random.integers(0, 256, (64, 64, 3), np.uint8)})

    add_frames()
    recorder.save_episode("t")
    add_frames()
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))  # the disk is full
    try:
        with pytest.raises(
            OSError, match=r"episode 1 could not be written .*File too large.*: free room and record .*d'$"
        ):
            recorder.save_episode("t")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    for again in (lambda: recorder.save_episode("t"), add_frames, recorder.finalize):
        with pytest.raises(RuntimeError, match="d: episode 1 could not be written: record the dataset again"):
            again()
    recorder.abort()
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_recorded_after_the_end(tmp_path):
    frame = {"x": np.zeros(2, np.float32)}
    with writer.LeRobotWriter(tmp_path / "d", 10, VECTOR) as recorder:
        recorder.add_frame(frame)
        recorder.save_episode("t")
    for again in (lambda: recorder.add_frame(frame), lambda: recorder.save_episode("t"), recorder.finalize):
        with pytest.raises(RuntimeError, match="d: it is finalized: record another"):
            again()
    aborted = writer.LeRobotWriter(tmp_path / "e", 10, VECTOR)
    aborted.abort()
    with pytest.raises(RuntimeError, match="e: the recording was aborted: begin another"):
        aborted.add_frame(frame)
    assert [path.name for path in tmp_path.iterdir()] == ["d"]


def test_ctrl_c_without_a_with_block_leaves_nothing(tmp_path):
    script = (
        "import sys, time; from openpi.data.lerobot import recording, writer\n"
        "recorder = writer.LeRobotWriter(sys.argv[1], recording.FPS, recording.FEATURES)\n"
        "recorder.add_frame(recording.frame(0)); recorder.save_episode('t')\n"
        "print('recording', flush=True); time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "d")],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout.readline() == b"recording\n"
    assert [path.name.startswith(".d.partial-") for path in tmp_path.iterdir()] == [True]
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) != 0
    assert list(tmp_path.iterdir()) == []


def test_nothing_shows_before_finalize_and_nothing_is_left_beside_it(tmp_path):
    recorder = writer.LeRobotWriter(tmp_path / "d", recording.FPS, recording.FEATURES)
    recorder.add_frame(recording.frame(0))
    recorder.save_episode("t")
    assert not (tmp_path / "d").exists()
    recorder.finalize()
    recorder.abort()  # does nothing any more
    assert [path.name for path in tmp_path.iterdir()] == ["d"]


def test_an_existing_dataset_is_never_touched(tmp_path):
    recording.record(tmp_path / "d", (2,))
    before = files(tmp_path / "d")
    with pytest.raises(FileExistsError, match="d exists already: remove it"):
        recording.record(tmp_path / "d", (2,))
    late = writer.LeRobotWriter(tmp_path / "late", 10, VECTOR)
    late.add_frame({"x": np.zeros(2, np.float32)})
    late.save_episode("t")
    recording.record(tmp_path / "late", (2,))
    with pytest.raises(FileExistsError, match="late appeared while"):
        late.finalize()
    late.abort()
    assert files(tmp_path / "d") == files(tmp_path / "late") == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d", "late"]


def test_an_empty_folder_may_be_filled(tmp_path):
    (tmp_path / "d").mkdir()
    assert recording.record(tmp_path / "d", (2,)).is_dir()


def test_discarded_frames_are_not_recorded(tmp_path):
    with writer.LeRobotWriter(tmp_path / "d", recording.FPS, recording.FEATURES) as recorder:
        recorder.add_frame(recording.frame(0))
        recorder.discard_episode()
        recorder.add_frame(recording.frame(1))
        recorder.save_episode("t")
    table = pq.read_table(tmp_path / "d/data/chunk-000/file-000.parquet")
    assert table["note"].to_pylist() == ["frame 1"] and table["note"].type == pa.string()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": None}, "missing features .'x'., unknown features .."),
        ({"y": np.zeros(2)}, "unknown features .'y'."),
        ({"x": np.zeros(3, np.float32)}, r"frame 0 of episode 0: feature 'x' is float32 \[3\], expected float32 \[2\]"),
        ({"x": np.zeros(2)}, r"feature 'x' is float64 \[2\], expected float32 \[2\]"),
        ({"s": 3}, "feature 's' is int 3, expected text"),
        ({"s": "half \ud83d"}, r"feature 's' is str 'half .ud83d', expected text that UTF-8 can hold"),
        (
            {"cam": np.zeros((3, 16, 16), np.uint8)},
            r"feature 'cam' is uint8 \[3, 16, 16\], expected uint8 \[16, 16, 3\]",
        ),
        ({"cam": np.zeros((16, 16, 3), np.float32)}, "feature 'cam' is float32"),
    ],
)
def test_a_wrong_frame_is_named_and_does_no_harm(tmp_path, change, message):
    features = VECTOR | {
        "s": {"dtype": "string", "shape": [1]},
        "cam": {"dtype": "video", "shape": [16, 16, 3]},
    }
    good = {"x": np.zeros(2, np.float32), "s": "text", "cam": np.zeros((16, 16, 3), np.uint8)}
    with writer.LeRobotWriter(tmp_path / "d", 10, features) as recorder:
        with pytest.raises(ValueError, match=message):
            recorder.add_frame({key: value for key, value in (good | change).items() if value is not None})
        recorder.add_frame(good)
        recorder.save_episode("t")
    assert pq.read_metadata(tmp_path / "d/data/chunk-000/file-000.parquet").num_rows == 1


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ({"timestamp": {"dtype": "float32", "shape": [1]}}, "feature 'timestamp' is written by itself"),
        ({"x": {"dtype": "float32", "shape": [2] * 6}}, "feature 'x' has dtype float32 .* arrays of up to 5 axes"),
        ({"x": {"dtype": "string", "shape": [2]}}, "feature 'x' has dtype string and shape .2.: only single texts"),
        ({"x": {"dtype": "video", "shape": [15, 16, 3]}}, "even sizes"),
        ({"x": {"dtype": "complex64", "shape": [1]}}, "feature 'x': dtype 'complex64'"),
        ({"x": {"dtype": "video", "shape": [16, 16, 1]}}, r"features: images 'x' have shape \[16, 16, 1\], and only"),
    ],
)
def test_a_feature_that_cannot_be_recorded_is_named(tmp_path, features, message):
    with pytest.raises(ValueError, match=message):
        writer.LeRobotWriter(tmp_path / "d", 10, features)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"version": "v2.0"}, "version is 'v2.0', and must be one of v3.0, v2.1"),
        ({"codec": "vp9"}, "video codec 'vp9': must be one of h264, hevc, av1"),
        ({"preset": "warp"}, "libx264 takes no Encoding"),
        ({"fps": 0}, "fps is 0, and must be a number of frames per second"),
        ({"fps": float("nan")}, "fps is nan, and must be a number of frames per second"),
        ({"chunks_size": 0}, "chunks_size is 0, and must be between 1 and"),
    ],
)
def test_wrong_options_are_named(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        writer.LeRobotWriter(tmp_path / "d", features=recording.FEATURES, **{"fps": recording.FPS} | options)
    assert list(tmp_path.iterdir()) == []


def test_episodes_and_datasets_must_hold_something(tmp_path):
    recorder = writer.LeRobotWriter(tmp_path / "d", 10, VECTOR)
    with pytest.raises(ValueError, match="episode 0 has no frames"):
        recorder.save_episode("t")
    with pytest.raises(ValueError, match="at least one episode"):
        recorder.finalize()
    recorder.add_frame({"x": np.zeros(2, np.float32)})
    with pytest.raises(ValueError, match="task is ''"):
        recorder.save_episode("")
    with pytest.raises(ValueError, match=r"task is 'half .ud83d', and must be a text that UTF-8 can hold"):
        recorder.save_episode("half \ud83d")
    with pytest.raises(ValueError, match="1 frames belong to no episode"):
        recorder.finalize()
    recorder.abort()
    assert list(tmp_path.iterdir()) == []
