"""The dataset read through the lerobot package gives the items of openpi's own reader, and errors of one line."""

import concurrent.futures
import pathlib
import pickle
import shutil

import numpy as np
import pytest

from openpi.data.lerobot import info as lerobot_info
from openpi.data.lerobot import reader, recording
from openpi.data.lerobot_package import lerobot_dataset, package_recording

_CHUNK = [step / 10 for step in range(6)]
_DELTAS = {
    "openpi": {recording.ACTION: _CHUNK, recording.STATE: [-0.1, 0.0], recording.CAMERA: [-0.1, 0.0]},
    "lerobot": {"action": _CHUNK, "observation.forces": [-0.1, 0.0], package_recording.PNG_CAMERA: [0.0, 0.1]},
}


@pytest.fixture(scope="module")
def roots(tmp_path_factory) -> dict[str, pathlib.Path]:
    """Datasets by who wrote them."""
    folder = tmp_path_factory.mktemp("datasets")
    return {
        "openpi": recording.record(folder / "openpi"),
        "lerobot": package_recording.record(folder / "lerobot"),
    }


def _assert_same(item: dict, expected: dict) -> None:
    assert item.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_array_equal(item[key], value, strict=True, err_msg=key)
        assert type(item[key]) is type(value)


@pytest.mark.parametrize("writer", ["openpi", "lerobot"])
def test_it_gives_what_the_reader_gives(roots, writer):
    expected = reader.LeRobotDataset(roots[writer], delta_timestamps=_DELTAS[writer])
    dataset = lerobot_dataset.LeRobotDataset(roots[writer], delta_timestamps=_DELTAS[writer])
    assert len(dataset) == len(expected)
    for row in range(len(expected)):
        _assert_same(dataset[row], expected[row])
    assert (dataset.fps, dataset.tasks, dataset.image_keys) == (expected.fps, expected.tasks, expected.image_keys)
    assert dataset.info == lerobot_info.load(roots[writer])
    np.testing.assert_array_equal(dataset.episodes.start, expected.episodes.start, strict=True)
    np.testing.assert_array_equal(dataset.episodes.stop, expected.episodes.stop, strict=True)


def test_keys_choose_what_is_delivered(roots):
    dataset = lerobot_dataset.LeRobotDataset(roots["openpi"], keys=["action"], delta_timestamps={"reward": _CHUNK})
    expected = reader.LeRobotDataset(roots["openpi"], keys=["action"], delta_timestamps={"reward": _CHUNK})
    _assert_same(dataset[5], expected[5])
    assert dataset.image_keys == ()


@pytest.mark.parametrize("writer", ["openpi", "lerobot"])
def test_many_rows_and_whole_columns_are_the_reader_s(roots, writer):
    expected = reader.LeRobotDataset(roots[writer], delta_timestamps=_DELTAS[writer])
    dataset = lerobot_dataset.LeRobotDataset(roots[writer], delta_timestamps=_DELTAS[writer])
    rows = np.array([15, 0, 4, 4, 10])
    _assert_same(dataset.read_tables(rows), expected.read_tables(rows))
    for key in expected.features.keys() - {*expected.image_keys}:
        np.testing.assert_array_equal(dataset.table(key), expected.table(key), strict=True)
    for key in expected.image_keys:
        np.testing.assert_array_equal(dataset.frames(key, rows), expected.frames(key, rows), strict=True)


def test_it_may_be_pickled_and_used_from_threads(roots):
    dataset = lerobot_dataset.LeRobotDataset(roots["lerobot"])
    copy = pickle.loads(pickle.dumps(dataset))
    rows = [3, 14, 3, 9, 0, 12, 7, 1] * 2
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for row, item in zip(rows, pool.map(copy.__getitem__, rows), strict=True):
            _assert_same(item, dataset[row])


def test_two_datasets_of_the_same_files_may_be_read_at_once(roots):
    opened = [lerobot_dataset.LeRobotDataset(roots["openpi"], keys=[recording.CAMERA]) for _ in range(2)]
    expected = reader.LeRobotDataset(roots["openpi"], keys=[recording.CAMERA]).frames(recording.CAMERA, np.arange(16))
    jobs = [
        (dataset, row) for row in np.random.default_rng(0).permutation(np.tile(np.arange(16), 20)) for dataset in opened
    ]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        images = pool.map(lambda job: job[0].frames(recording.CAMERA, np.array([job[1]]))[0], jobs)
        for (_, row), image in zip(jobs, images, strict=True):
            np.testing.assert_array_equal(image, expected[row])


def _without(path: str):
    def damage(root: pathlib.Path) -> None:
        shutil.rmtree(root / path)

    return damage


def _truncate_videos(root: pathlib.Path) -> None:
    for path in root.rglob("*.mp4"):
        path.write_bytes(path.read_bytes()[:100])


@pytest.mark.parametrize(
    ("damage", "options", "error", "told"),
    [
        (_without("meta"), {}, FileNotFoundError, "no LeRobot dataset at"),
        (_without("data"), {}, FileNotFoundError, "files that its meta folder names are missing"),
        (_without("videos"), {}, FileNotFoundError, "files that its meta folder names are missing"),
        (None, {"keys": ["speed"]}, ValueError, "has no feature 'speed'; it has observation.state, action"),
        (None, {"delta_timestamps": {"speed": [0.0]}}, ValueError, "has no feature 'speed'"),
        (None, {"delta_timestamps": {"action": [0.05]}}, ValueError, "must be multiples of 1/10 s"),
        (_truncate_videos, {}, ValueError, "episode 0, frame 3: lerobot cannot read it"),
    ],
)
def test_bad_datasets_are_one_line(roots, tmp_path, damage, options, error, told):
    root = shutil.copytree(roots["openpi"], tmp_path / "dataset")
    if damage:
        damage(root)
    with pytest.raises(error, match=told) as raised:
        lerobot_dataset.LeRobotDataset(root, **options)[3]
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("row", [-1, 16])
def test_a_row_out_of_range_is_refused(roots, row):
    dataset = lerobot_dataset.LeRobotDataset(roots["openpi"])
    with pytest.raises(IndexError, match=f"{row} of a dataset of 16 frames"):
        dataset[row]
    with pytest.raises(IndexError, match="from 0 to 15"):
        dataset.read_tables(np.array([0, row]))
