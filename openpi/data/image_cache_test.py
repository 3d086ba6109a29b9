import logging
import shutil

import pytest

from openpi.data import frame_cache, image_cache
from openpi.data.lerobot import reader, recording

GIB = 1 << 30


@pytest.fixture(scope="module")
def datasets(tmp_path_factory):
    roots = [recording.record(tmp_path_factory.mktemp("data") / name, (3, 4)) for name in "ab"]
    return [reader.LeRobotDataset(root, keys=[recording.CAMERA]) for root in roots]


def cached(datasets, kind, tmp_path, max_gib=1.0):
    return image_cache.cached(datasets, kind, tmp_path, image_size=32, max_gib=max_gib)


@pytest.mark.parametrize(
    ("kind", "max_gib", "made"),
    [
        ("none", 1.0, None),
        ("frames", 1.0, ".npy"),
        ("video", 1.0, ".mp4"),
        ("auto", 1.0, ".npy"),
        ("auto", 1e-9, ".mp4"),
    ],
)
def test_every_kind_delivers_the_images(datasets, tmp_path, caplog, kind, max_gib, made):
    with caplog.at_level(logging.INFO, logger="openpi"):
        opened = cached(datasets, kind, tmp_path, max_gib)
    for dataset, plain in zip(opened, datasets, strict=True):
        blue = [image[2].mean() for image in (dataset[6][recording.CAMERA], plain[6][recording.CAMERA])]
        assert blue[0] == pytest.approx(blue[1], abs=3)
        assert dataset.decoded == (made == ".npy")
    assert {path.suffix for path in tmp_path.rglob("*.*") if path.is_file()} - {".lock"} == ({made} if made else set())
    if kind == "auto":
        (line,) = [record.getMessage() for record in caplog.records if "'auto' means" in record.getMessage()]
        assert ("'frames'" in line) == (made == ".npy") and "cache_max_gib is" in line


def test_the_limit_is_for_all_datasets_together(datasets, tmp_path):
    one = frame_cache.num_bytes(datasets[0], 32)
    with pytest.raises(ValueError, match="config.data.cache='video'"):
        cached(datasets, "frames", tmp_path, max_gib=1.5 * one / GIB)
    assert list(tmp_path.rglob("*.npy")) == []
    opened = cached(datasets, "frames", tmp_path, max_gib=2 * one / GIB)
    assert all(dataset.decoded for dataset in opened)


def test_where_the_disk_has_no_room_for_frames_auto_means_video(datasets, tmp_path, monkeypatch):
    needed = sum(frame_cache.num_bytes(dataset, 32) for dataset in datasets)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": needed - 1}))
    cached(datasets, "auto", tmp_path)
    assert {path.suffix for path in tmp_path.rglob("*.*") if path.is_file()} == {".lock", ".mp4"}


def test_images_in_parquet_files_are_better_cached(datasets, tmp_path, caplog):
    image = reader.LeRobotDataset(datasets[0].root, keys=[recording.PNG_CAMERA])
    for dataset, kind, told in ((image, "none", True), (image, "frames", False), (datasets[0], "none", False)):
        caplog.clear()
        cached([dataset], kind, tmp_path)
        assert ("lie in parquet files, of which much has to be read for each" in caplog.text) == told
