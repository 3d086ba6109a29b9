"""What openpi writes, lerobot reads, and the other way round: tables exactly, frames as both decode them."""

import json
import pathlib
import shutil
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from lerobot.datasets import aggregate, lerobot_dataset
from lerobot.datasets.v30 import convert_dataset_v21_to_v30 as lerobot_converter

from openpi.data.lerobot import reader, recording, writer
from openpi.data.lerobot_package import ffmpeg, package_recording

_LENGTHS = (4, 7, 1, 5)
_THEIR_LENGTHS = (4, 7, 2, 5)  # lerobot cannot write an episode of one frame
_VIDEO_TOLERANCE = 1  # levels of 255 between two decoders of the same file

ffmpeg.provide()


def _json(path: pathlib.Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def _read(root: pathlib.Path, deltas: dict[str, list[float]]):
    """(openpi's dataset, lerobot's)."""
    ours = reader.LeRobotDataset(root, delta_timestamps=deltas)
    theirs = lerobot_dataset.LeRobotDataset("someone/something", root, delta_timestamps=deltas)
    assert theirs.video_backend == "torchcodec"
    return ours, theirs


def _assert_same_items(ours: reader.LeRobotDataset, theirs: lerobot_dataset.LeRobotDataset) -> None:
    assert len(ours) == len(theirs) > 0
    for row in range(len(ours)):
        mine, other = ours[row], theirs[row]
        assert mine.keys() == other.keys()
        for key, value in mine.items():
            where = f"{key} of row {row}"
            if key in ours.image_keys:
                levels = other[key].numpy() * 255
                assert levels.shape == value.shape, where
                np.testing.assert_allclose(value, levels, rtol=0, atol=_VIDEO_TOLERANCE + 1e-3, err_msg=where)
            elif isinstance(other[key], str):
                assert value == other[key], where
            else:  # lerobot makes float32 of float64
                as_delivered = value.astype(np.float32) if value.dtype == np.float64 else value
                np.testing.assert_array_equal(as_delivered, other[key].numpy(), strict=True, err_msg=where)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"codec": "hevc"},
        {"codec": "av1"},
        {"data_files_size_in_mb": 0, "video_files_size_in_mb": 0},
        {"chunks_size": 1, "data_files_size_in_mb": 0},
    ],
    ids=["h264", "hevc", "av1", "a file for each episode", "a folder for each file"],
)
def test_lerobot_reads_what_openpi_writes(tmp_path, options):
    root = recording.record(tmp_path / "dataset", _LENGTHS, **options)
    deltas = {
        recording.ACTION: [step / recording.FPS for step in range(6)],
        recording.STATE: [-0.2, 0.0],
        recording.CAMERA: [-0.1, 0.0, 0.1],
    }
    ours, theirs = _read(root, deltas)
    _assert_same_items(ours, theirs)
    assert theirs.num_episodes == len(_LENGTHS)
    assert list(theirs.meta.tasks.index) == list(ours.tasks)
    assert [list(tasks) for tasks in theirs.meta.episodes["tasks"]] == [
        [recording.TASKS[episode % len(recording.TASKS)]] for episode in range(len(_LENGTHS))
    ]


def test_lerobot_reads_chosen_episodes_of_what_openpi_writes(tmp_path):
    root = recording.record(tmp_path / "dataset", _LENGTHS)
    ours = reader.LeRobotDataset(root)
    theirs = lerobot_dataset.LeRobotDataset("someone/something", root, episodes=[1, 3])
    rows = [row for episode in (1, 3) for row in range(ours.episodes.start[episode], ours.episodes.stop[episode])]
    assert [int(theirs[i]["index"]) for i in range(len(theirs))] == rows
    for i, row in enumerate(rows):
        np.testing.assert_array_equal(theirs[i][recording.STATE].numpy(), ours[row][recording.STATE])


def test_lerobot_reads_the_statistics_that_openpi_writes(tmp_path):
    root = recording.record(tmp_path / "dataset", _LENGTHS)
    ours, theirs = _read(root, {})
    for key in (recording.STATE, recording.ACTION, "reward", "timestamp"):
        values, stats = ours.table(key).astype(np.float64), theirs.meta.stats[key]
        for name, expected in {
            "min": values.min(0),
            "max": values.max(0),
            "mean": values.mean(0),
            "std": values.std(0),
            "count": len(values),
        }.items():
            np.testing.assert_allclose(stats[name], np.reshape(expected, stats[name].shape), rtol=1e-5, atol=1e-6)
        assert np.all(stats["q01"] <= stats["q50"]) and np.all(stats["q50"] <= stats["q99"])
    for key in ours.image_keys:
        assert theirs.meta.stats[key]["mean"].shape == (3, 1, 1)
        assert 0 <= theirs.meta.stats[key]["min"].min() <= theirs.meta.stats[key]["max"].max() <= 1


def test_lerobot_joins_two_datasets_that_openpi_wrote(tmp_path):
    roots = [recording.record(tmp_path / name, _LENGTHS) for name in ("first", "second")]
    names = ["someone/first", "someone/second"]
    aggregate.aggregate_datasets(names, "someone/both", roots, tmp_path / "both")
    ours, theirs = _read(tmp_path / "both", {recording.ACTION: [0.0, 0.1]})
    _assert_same_items(ours, theirs)
    parts = [reader.LeRobotDataset(root) for root in roots]
    assert len(ours) == sum(map(len, parts))
    for key in (recording.STATE, "reward", "done", "note"):
        np.testing.assert_array_equal(ours.table(key), np.concatenate([part.table(key) for part in parts]))
    for key in ours.image_keys:
        rows = np.arange(len(parts[0]))
        for first_row in (0, len(parts[0])):
            np.testing.assert_array_equal(ours.frames(key, first_row + rows), parts[0].frames(key, rows))


@pytest.mark.parametrize("options", [{}, {"chunks_size": 2}], ids=["one folder", "several folders"])
def test_lerobot_converts_the_v21_that_openpi_writes(tmp_path, options):
    root = recording.record(tmp_path / "dataset", _LENGTHS, version="v2.1", **options)
    original = shutil.copytree(root, tmp_path / "original")
    lerobot_converter.convert_dataset("dataset", root=tmp_path, push_to_hub=False)
    deltas = {recording.ACTION: [step / recording.FPS for step in range(6)], recording.CAMERA: [-0.1, 0.0]}
    ours, theirs = _read(root, deltas)
    assert (ours.info.version, theirs.meta.info["codebase_version"]) == ("v3.0", "v3.0")
    _assert_same_items(ours, theirs)
    before = reader.LeRobotDataset(original, delta_timestamps=deltas)
    assert before.info.version == "v2.1"
    assert (before.tasks, before.fps, len(before)) == (ours.tasks, ours.fps, len(ours))
    for row in range(len(ours)):
        was, now = before[row], ours[row]
        assert was.keys() == now.keys()
        for key, value in was.items():
            np.testing.assert_array_equal(now[key], value, strict=True, err_msg=f"{key} of row {row}")
    for key in (recording.STATE, recording.CAMERA, recording.PNG_CAMERA):
        assert {"min", "max", "mean", "std", "count"} <= theirs.meta.stats[key].keys()
    values = ours.table(recording.STATE).astype(np.float64)
    np.testing.assert_allclose(theirs.meta.stats[recording.STATE]["mean"], values.mean(0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(theirs.meta.stats[recording.STATE]["std"], values.std(0), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "options", [{}, {"vcodec": "h264"}, {"metadata_buffer_size": 1}], ids=["av1", "h264", "unbuffered"]
)
def test_openpi_reads_what_lerobot_writes(tmp_path, options):
    root = package_recording.record(tmp_path / "dataset", _THEIR_LENGTHS, **options)
    camera, png = package_recording.CAMERA, package_recording.PNG_CAMERA
    deltas = {"action": [step / package_recording.FPS for step in range(6)], camera: [-0.1, 0.0]}
    ours, theirs = _read(root, deltas)
    _assert_same_items(ours, theirs)
    for row in range(len(ours)):
        recorded = package_recording.frame(row)
        for key in recorded.keys() - {camera, "action"}:
            expected = recorded[key]
            np.testing.assert_array_equal(ours[row][key], expected if key == png else expected.squeeze(), strict=True)
        error = ours.frames(camera, np.array([row]))[0].astype(int) - recorded[camera]
        assert np.abs(error).mean() < 4  # what the codec loses
    assert len(ours.episodes) == len(_THEIR_LENGTHS)
    starts = np.cumsum((0, *_THEIR_LENGTHS[:-1]))
    assert [ours[int(start)]["task"] for start in starts] == [
        package_recording.TASKS[episode % len(package_recording.TASKS)] for episode in range(len(_THEIR_LENGTHS))
    ]


def test_both_write_the_same_dataset(tmp_path):
    package_recording.record(tmp_path / "theirs", _THEIR_LENGTHS)
    features, tasks = package_recording.FEATURES, package_recording.TASKS
    with writer.LeRobotWriter(tmp_path / "ours", package_recording.FPS, features, codec="av1") as recorder:
        numbers = iter(range(sum(_THEIR_LENGTHS)))
        for episode, length in enumerate(_THEIR_LENGTHS):
            for _ in range(length):
                recorder.add_frame(package_recording.frame(next(numbers)))
            recorder.save_episode(tasks[episode % len(tasks)])
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    names = [{path.relative_to(root) for path in root.rglob("*.*") if path.is_file()} for root in (ours, theirs)]
    assert names[0] == names[1]
    assert _json(ours / "meta/info.json") == _json(theirs / "meta/info.json")
    for path in sorted(name for name in names[0] if name.suffix == ".parquet"):
        mine, other = pq.read_table(ours / path), pq.read_table(theirs / path)
        assert sorted(mine.column_names) == sorted(other.column_names)
        for name in mine.column_names:
            if not name.startswith("stats/"):
                assert mine[name].to_pylist() == other[name].to_pylist(), f"{path}: {name}"
    mine, other = _json(ours / "meta/stats.json"), _json(theirs / "meta/stats.json")
    assert mine.keys() == other.keys()
    for key, stats in other.items():
        assert mine[key].keys() == stats.keys()
        if key == "observation.forces":  # lerobot keeps one number for each column of a matrix
            continue
        # lerobot's quantiles are approximate, and so is its std of images.
        is_image = key in (package_recording.CAMERA, package_recording.PNG_CAMERA)
        for name in ("min", "max", "mean", "count") if is_image else ("min", "max", "mean", "std", "count"):
            np.testing.assert_allclose(mine[key][name], stats[name], rtol=1e-5, atol=1e-6, err_msg=f"{key} {name}")
    _assert_same_items(*_read(ours, {"observation.forces": [0.0, 0.1]}))


def test_openpi_reads_what_lerobot_writes_to_several_files(tmp_path):
    tiny = 1e-6  # MiB
    root = package_recording.record(tmp_path / "dataset", _THEIR_LENGTHS, files_size_in_mb=tiny)
    assert len(list((root / "data").rglob("*.parquet"))) > 1
    assert len(list((root / "videos").rglob("*.mp4"))) > 1
    _assert_same_items(*_read(root, {"action": [0.0, 0.1]}))


def test_lerobot_goes_on_recording_a_dataset_that_openpi_began(tmp_path):
    root = recording.record(tmp_path / "dataset", (4, 3))
    going_on = lerobot_dataset.LeRobotDataset("someone/something", root, vcodec="h264")
    for n in range(7, 12):
        frame = recording.frame(n)
        scalars = {key: np.array([frame[key]]) for key in ("reward", "done")}
        going_on.add_frame(frame | scalars | {"task": "a third task"})
    package_recording.save_episode(going_on)
    going_on.finalize()
    ours, theirs = _read(root, {recording.ACTION: [0.0, 0.1]})
    assert len(ours) == 12
    assert ours.tasks == (*recording.TASKS, "a third task")
    _assert_same_items(ours, theirs)
    np.testing.assert_array_equal(ours[11][recording.STATE], recording.frame(11)[recording.STATE])
