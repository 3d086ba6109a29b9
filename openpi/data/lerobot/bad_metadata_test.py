"""Damaged metadata: one clear line, and no memory is taken for what it claims."""

import pathlib
import shutil

import numpy as np
import pyarrow as pa
import pytest

from openpi.data.lerobot import damage, layout_v30, reader, recording

CAMERA = recording.CAMERA


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    return {version: recording.record(folder / version, (4, 7, 5), version=version) for version in ("v2.1", "v3.0")}


@pytest.fixture
def v30(recorded, tmp_path):
    return pathlib.Path(shutil.copytree(recorded["v3.0"], tmp_path / "v30"))


@pytest.fixture
def v21(recorded, tmp_path):
    return pathlib.Path(shutil.copytree(recorded["v2.1"], tmp_path / "v21"))


# Wrong metadata: nothing is left out, and no memory is taken for what it claims.
@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (damage.replaced(damage.EPISODES, b""), r"meta/episodes/chunk-000/file-000\.parquet is no readable"),
        (damage.replaced("meta/tasks.parquet", b"PAR1PAR1"), r"meta/tasks\.parquet is no readable"),
        (damage.removed("meta/tasks.parquet"), r"meta/tasks\.parquet is missing"),
        (damage.removed(damage.EPISODES), "meta/episodes holds no parquet file"),
        (damage.removed(damage.DATA), r"file-000\.parquet \(episodes 0 to 2\) is missing"),
        (damage.cut(damage.DATA, 0.9), r"file-000\.parquet \(episodes 0 to 2\) is no readable"),
        (
            damage.rows(damage.DATA, 1),
            r"file-000\.parquet \(episodes 0 to 2\): has 15 frames, and the metadata says 16",
        ),
        (damage.info(total_frames=17), r"3 episodes of 16 frames, and meta/info\.json says 3 of 17"),
        (damage.info(total_frames=1 << 60), "says 3 of 1152921504606846976"),
        (
            damage.all_of(
                damage.column(damage.EPISODES, "dataset_to_index", [4, 11, 1 << 45]), damage.info(total_frames=1 << 45)
            ),
            r"file-000\.parquet and the other tables have 35184372088832 frames by the metadata: they need \d+ GiB, and this",
        ),
        (
            damage.all_of(
                damage.rows(damage.DATA, 1), damage.replaced_in(damage.DATA, 4, bytes(200))
            ),  # the footer is read before the pages
            r"file-000\.parquet \(episodes 0 to 2\): has 15 frames, and the metadata says 16",
        ),
        (damage.info(codebase_version="v1.6"), "codebase_version is 'v1.6'"),
        (damage.info(codebase_version="v2.1"), r"info\.json: video_path is .*only {episode_chunk}, {episode_index}"),
        (damage.info(data_path="../{file_index}.parquet"), "leads out of the dataset's folder"),
        (damage.info(data_path="{chunk_index:999999999d}"), "only {chunk_index}, {file_index} may stand in it"),
        (damage.column(damage.EPISODES, "episode_index", [0, 2, 1]), "episode_index does not count from 0"),
        (damage.column(damage.EPISODES, "dataset_from_index", [0, 3, 11]), "do not follow one another"),
        (
            damage.column(damage.EPISODES, "dataset_to_index", [4, 11, 1 << 50]),
            "episodes of 1125899906842624 frames, and",
        ),
        (damage.column(damage.EPISODES, "data/file_index", [0, 0, -1]), r"column 'data/file_index' is -1 somewhere"),
        (
            damage.column(damage.EPISODES, "data/file_index", [0, 0, 7]),
            r"file-000\.parquet \(episodes 0 to 1\): has 16 frames",
        ),
        (
            damage.column(damage.EPISODES, "data/file_index", ["0"] * 3, pa.string()),
            "'data/file_index' is object, expected int64",
        ),
        (
            damage.column(damage.EPISODES, f"videos/{CAMERA}/from_timestamp", [0, np.nan, 1]),
            r"from_timestamp' is nan somewhere",
        ),
        (
            damage.all_of(
                damage.info(total_episodes=1 << 23), damage.replaced_in(damage.EPISODES, 4, bytes(200))
            ),  # the footer is read before the pages
            r"meta/episodes: 3 episodes, and meta/info\.json says 8388608",
        ),
        (
            damage.renamed("meta/tasks.parquet", "task_index", "index"),
            r"tasks\.parquet: has columns .*, expected task_index and",
        ),
        (damage.column("meta/tasks.parquet", "task_index", [0, 5]), "task_index must count from 0, each with a text"),
        (
            damage.column("meta/tasks.parquet", "task_index", [0, None]),
            "task_index must count from 0, each with a text",
        ),
    ],
)
def test_wrong_metadata_of_v30_is_named(v30, harm, message):
    harm(v30)
    check_refused(v30, message)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (damage.removed("meta/episodes.jsonl"), r"meta/episodes\.jsonl is missing"),
        (damage.removed("meta/tasks.jsonl"), r"meta/tasks\.jsonl is missing"),
        (damage.replaced("meta/episodes.jsonl", b"\n"), r"episodes\.jsonl: the dataset has no episodes"),
        (
            damage.replaced("meta/episodes.jsonl", b'{"episode_index": 0, "length": 4'),
            r"episodes\.jsonl, line 1: not valid JSON",
        ),
        (damage.replaced("meta/episodes.jsonl", b"[" * 100_000), r"episodes\.jsonl, line 1: not valid JSON"),
        (damage.replaced("meta/episodes.jsonl", b"\xff\n"), r"episodes\.jsonl, line 1: not valid JSON"),
        (damage.replaced("meta/episodes.jsonl", b" " * (5 << 20)), r"episodes\.jsonl, line 1: longer than 4 MiB"),
        (damage.replaced("meta/episodes.jsonl", b"3\n"), r"episodes\.jsonl, line 1: the top level is no JSON object"),
        (
            damage.replaced("meta/episodes.jsonl", b'{"episode_index": 0}'),
            "entry 0: length is 'None', and must be a whole number",
        ),
        (
            damage.replaced("meta/episodes.jsonl", b'{"episode_index": 0, "length": 1' + b"0" * 4000 + b"}"),
            "entry 0: length is '10+', and must be a whole number",
        ),
        (damage.replaced("meta/episodes.jsonl", b'{"episode_index": 0, "length": 0}'), "entry 0: length is 0"),
        (
            damage.replaced("meta/episodes.jsonl", b'{"episode_index": 1, "length": 4}'),
            "entry 0: episode_index is 1, and must count",
        ),
        (
            damage.replaced("meta/episodes.jsonl", b'{"episode_index": 0, "length": 16}'),
            r"1 episodes of 16 frames, and .* says 3 of",
        ),
        (damage.info(total_frames=17), r"3 episodes of 16 frames, and meta/info\.json says 3 of 17"),
        (
            damage.replaced("meta/tasks.jsonl", b'{"task_index": 1, "task": "t"}'),
            r"tasks\.jsonl: task_index must count from 0",
        ),
        (
            damage.replaced("meta/tasks.jsonl", b'{"task_index": 0, "task": 3}'),
            r"tasks\.jsonl: task_index must count from 0",
        ),
        (damage.replaced("meta/tasks.jsonl", b'{"task_index": true, "task": "t"}'), "entry 0: task_index is 'True'"),
        (damage.info(data_path="{episode_index}/../../x"), "leads out of the dataset's folder"),
        (damage.info(chunks_size=2), r"chunk-001/episode_000002\.parquet \(episode 2\) is missing"),
        (damage.replaced("meta/info.json", b"{" + b" " * (65 << 20) + b"}"), "info.json: larger than 64 MiB"),
    ],
)
def test_wrong_metadata_of_v21_is_named(v21, harm, message):
    harm(v21)
    check_refused(v21, message)


def test_more_tasks_than_anybody_has_are_not_read(v30, monkeypatch):
    monkeypatch.setattr(layout_v30, "_MAX_TASKS", 1)
    check_refused(v30, r"tasks\.parquet: has 2 rows, more than the 1 tasks that can be read")


def check_refused(root, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message) as caught:
        reader.LeRobotDataset(root)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 1000
