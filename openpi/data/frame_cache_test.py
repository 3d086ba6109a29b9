import io
import os
import pathlib
import pickle
import shutil
import sys

import numpy as np
import pytest

from openpi.data import frame_cache
from openpi.data.lerobot import reader, recording


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return recording.record(tmp_path_factory.mktemp("data") / "reach")


def caches(directory):
    return sorted(path.relative_to(directory) for path in directory.rglob("*") if path.is_file())


def test_equals_the_direct_reader(root, tmp_path):
    direct = reader.LeRobotDataset(root, delta_timestamps={recording.ACTION: [0.0, 0.1], recording.CAMERA: [-0.1, 0.0]})
    cached = frame_cache.cached(direct, tmp_path)
    again = pickle.loads(pickle.dumps(frame_cache.cached(direct, tmp_path)))
    for i in range(len(direct)):
        expected = direct[i]
        for dataset in (cached, again):
            item = dataset[i]
            assert item.keys() == expected.keys()
            for key in expected:
                np.testing.assert_array_equal(item[key], expected[key])
    assert [path.name for path in caches(tmp_path)] == [f"{recording.CAMERA}.npy", f"{recording.PNG_CAMERA}.npy"]


def test_a_cached_image_is_a_view_of_the_file(root, tmp_path):
    dataset = frame_cache.cached(reader.LeRobotDataset(root), tmp_path)
    image = dataset[3][recording.CAMERA]
    assert not image.flags.writeable and image.shape == (3, recording.HEIGHT, recording.WIDTH)
    assert image.transpose(1, 2, 0).flags.c_contiguous  # as robots' transforms take it


def test_is_built_once_and_needs_no_video_after(root, tmp_path, monkeypatch):
    copy = pathlib.Path(shutil.copytree(root, tmp_path / "copy"))
    frame_cache.cached(reader.LeRobotDataset(copy), tmp_path / "cache")
    monkeypatch.setattr(frame_cache, "_build", lambda *_: pytest.fail("built twice"))
    dataset = frame_cache.cached(reader.LeRobotDataset(copy), tmp_path / "cache")
    shutil.rmtree(copy / "videos")
    assert dataset[0][recording.CAMERA].shape == (3, recording.HEIGHT, recording.WIDTH)


def test_cameras_are_added_to_a_cache(root, tmp_path):
    frame_cache.cached(reader.LeRobotDataset(root, keys=[recording.PNG_CAMERA]), tmp_path)
    assert len(caches(tmp_path)) == 1
    frame_cache.cached(reader.LeRobotDataset(root), tmp_path)
    assert len(caches(tmp_path)) == 2


def test_a_changed_dataset_is_decoded_anew_and_the_stale_cache_removed(root, tmp_path):
    copy = pathlib.Path(shutil.copytree(root, tmp_path / "copy"))
    frame_cache.cached(reader.LeRobotDataset(copy), tmp_path / "cache")
    frame_cache.cached(reader.LeRobotDataset(root), tmp_path / "cache")
    before = caches(tmp_path / "cache")
    shutil.rmtree(copy)
    recording.record(copy, (2, 3))
    dataset = frame_cache.cached(reader.LeRobotDataset(copy), tmp_path / "cache")
    assert len(dataset) == 5 and dataset.frames(recording.CAMERA, np.arange(5)).shape[0] == 5
    after = caches(tmp_path / "cache")
    assert len(after) == len(before) == 4 and len(set(after) & set(before)) == 2  # the other dataset's stay


@pytest.mark.parametrize("touch", ["data", "meta", "videos"])
def test_any_file_of_the_dataset_counts(root, tmp_path, touch):
    copy = pathlib.Path(shutil.copytree(root, tmp_path / "copy"))
    before = frame_cache._fingerprint(copy)
    assert frame_cache._fingerprint(copy) == before
    path = next(path for path in sorted((copy / touch).rglob("*")) if path.is_file())
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    assert frame_cache._fingerprint(copy) != before


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_interrupted_build_leaves_no_file(root, tmp_path, monkeypatch, error):
    dataset = reader.LeRobotDataset(root)

    def interrupted(self, key, rows):
        raise error("in the middle")

    with monkeypatch.context() as patch, pytest.raises(error):
        patch.setattr(reader.LeRobotDataset, "frames", interrupted)
        frame_cache.cached(dataset, tmp_path)
    assert caches(tmp_path) == []
    assert frame_cache.cached(dataset, tmp_path)[0][recording.CAMERA].any()


def test_a_cache_that_is_too_large_is_refused_with_its_size(root, tmp_path, monkeypatch):
    dataset = reader.LeRobotDataset(root)
    needed = 16 * 3 * (recording.HEIGHT * recording.WIDTH + 8 * 12)
    with pytest.raises(ValueError, match=r"16 frames of 2 cameras.*config\.data\.cache_frames=False"):
        frame_cache.cached(dataset, tmp_path, max_bytes=needed - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10}))
    with pytest.raises(ValueError, match="has room for 0.0 GiB: free some"):
        frame_cache.cached(dataset, tmp_path, max_bytes=needed)
    assert caches(tmp_path) == []


def test_progress_is_shown_on_a_terminal_only(root, tmp_path, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    for stream, shown in ((Terminal(), True), (io.StringIO(), False)):
        monkeypatch.setattr(sys, "stderr", stream)
        frame_cache.cached(reader.LeRobotDataset(root), tmp_path / str(shown))
        assert ("decoding observation.images.cam_high" in stream.getvalue()) == shown


def test_a_dataset_without_cameras_needs_no_cache(root, tmp_path):
    dataset = reader.LeRobotDataset(root, keys=[recording.STATE])
    assert frame_cache.cached(dataset, tmp_path) is dataset and caches(tmp_path) == []
