import os
import pathlib
import pickle
import shutil

import numpy as np
import pytest

from openpi.client import image_tools
from openpi.data import video_cache
from openpi.data.lerobot import reader, recording


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    root = recording.record(tmp_path_factory.mktemp("data") / "reach", (70, 1, 80))
    return reader.LeRobotDataset(root, keys=[recording.CAMERA])


def see(image, size):
    return image_tools.resize_with_pad(image.transpose(1, 2, 0), size, size).astype(int)


# Colour has half the pixels in video: it bleeds at edges, and small pictures are all edges.
@pytest.mark.parametrize(
    ("image_size", "name", "levels"), [(224, "48x64", 1.5), (32, "24x32", 2.5), (28, "28x28-padded", 8)]
)
def test_what_the_model_sees_is_nearly_the_same(dataset, tmp_path, image_size, name, levels):
    cached = video_cache.cached(dataset, tmp_path, image_size=image_size)
    assert [path.name for path in tmp_path.rglob("*.h264")] == [f"{recording.CAMERA}.{name}.h264"]
    again = pickle.loads(pickle.dumps(cached))
    for row in (0, 63, 64, 69, 70, 71, 149):  # files begin at 0, 64 and 128
        want = see(dataset[row][recording.CAMERA], image_size)
        for other in (cached, again):
            error = np.abs(see(other[row][recording.CAMERA], image_size) - want)
            assert error.mean() < levels, row


def test_rows_come_in_any_order_and_many_at_once(dataset, tmp_path):
    cached = video_cache.cached(dataset, tmp_path, image_size=32)
    rows = np.array([149, 3, 64, 3, 70])
    many = cached.frames(recording.CAMERA, rows)
    for row, image in zip(rows, many, strict=True):
        np.testing.assert_array_equal(image, cached.frames(recording.CAMERA, np.array([row]))[0])
        assert abs(image[..., 2].mean() - (37 * row) % 256) < 3


def test_is_built_once_and_anew_for_a_changed_dataset(dataset, tmp_path):
    copy = pathlib.Path(shutil.copytree(dataset.root, tmp_path / "copy"))
    open_copy = lambda: reader.LeRobotDataset(copy, keys=[recording.CAMERA])
    video_cache.cached(open_copy(), tmp_path / "cache", image_size=32)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.mp4")}
    video_cache.cached(open_copy(), tmp_path / "cache", image_size=32)
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.mp4")}
    os.utime(copy / "meta" / "info.json", ns=(0, 1))
    video_cache.cached(open_copy(), tmp_path / "cache", image_size=32)
    after = set((tmp_path / "cache").rglob("*.mp4"))
    assert len(after) == len(before) and not after & set(before)


def test_a_run_goes_on_with_its_cache_when_the_dataset_is_changed(dataset, tmp_path):
    copy = pathlib.Path(shutil.copytree(dataset.root, tmp_path / "copy"))
    open_copy = lambda: reader.LeRobotDataset(copy, keys=[recording.CAMERA])
    running = video_cache.cached(open_copy(), tmp_path / "cache", image_size=32)
    expected = running.frames(recording.CAMERA, np.arange(5))
    os.utime(copy / "meta" / "info.json", ns=(0, 1))
    video_cache.cached(open_copy(), tmp_path / "cache", image_size=32)
    again = pickle.loads(pickle.dumps(running))
    np.testing.assert_array_equal(again.frames(recording.CAMERA, np.arange(5)), expected)


@pytest.mark.parametrize("damage", ["first", "last", "empty"])
def test_a_damaged_cache_is_made_anew(dataset, tmp_path, damage):
    cached = video_cache.cached(dataset, tmp_path, image_size=32)
    expected = cached.frames(recording.CAMERA, np.arange(150))
    files = sorted(tmp_path.rglob("*.mp4"))
    if damage == "empty":
        files[1].write_bytes(b"")
    else:
        files[0 if damage == "first" else -1].unlink()
    cached = video_cache.cached(dataset, tmp_path, image_size=32)
    again = cached.frames(recording.CAMERA, np.arange(150))
    # The encoder's threads do not make the very same choices each time.
    assert np.abs(again.astype(int) - expected.astype(int)).mean(axis=(1, 2, 3)).max() < 2


def test_a_file_that_breaks_while_it_is_used_is_told_with_the_remedy(dataset, tmp_path):
    cached = video_cache.cached(dataset, tmp_path, image_size=32)
    (file, *_) = sorted(tmp_path.rglob("*.mp4"))
    file.write_bytes(b"nonsense")
    with pytest.raises(
        ValueError, match=r"the cache in .*24x32.h264 is damaged .*: remove that folder, it is made anew"
    ):
        cached.frames(recording.CAMERA, np.array([0]))


def test_an_interrupted_build_leaves_nothing(dataset, tmp_path, monkeypatch):
    decode = reader.LeRobotDataset.frames

    def interrupted(self, key, rows):
        if rows[0] >= 100:
            raise KeyboardInterrupt
        return decode(self, key, rows)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(reader.LeRobotDataset, "frames", interrupted)
        video_cache.cached(dataset, tmp_path, image_size=32)
    assert [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".lock"] == []


def test_a_disk_that_is_too_small_is_told_before_decoding(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10}))
    with pytest.raises(OSError, match="as video needs 0.0 GiB, and .* has room for 0.0 GiB: free some"):
        video_cache.cached(dataset, tmp_path, image_size=32)
