import io
import multiprocessing
import os
import pathlib
import pickle
import resource
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from openpi.client import image_tools
from openpi.data import frame_cache
from openpi.data.lerobot import reader, recording


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return recording.record(tmp_path_factory.mktemp("data") / "reach")


def caches(directory):
    """All files below, locks aside."""
    return sorted(path.name for path in directory.rglob("*") if path.is_file() and path.suffix != ".lock")


NAMES = [f"{recording.CAMERA}.48x64.npy", f"{recording.PNG_CAMERA}.8x12.npy"]


def test_equals_the_direct_reader(root, tmp_path):
    direct = reader.LeRobotDataset(root, delta_timestamps={recording.ACTION: [0.0, 0.1], recording.CAMERA: [-0.1, 0.0]})
    cached = frame_cache.cached(direct, tmp_path)
    assert cached.decoded and not direct.decoded
    again = pickle.loads(pickle.dumps(frame_cache.cached(direct, tmp_path)))
    for i in range(len(direct)):
        expected = direct[i]
        for dataset in (cached, again):
            item = dataset[i]
            assert item.keys() == expected.keys()
            for key in expected:
                np.testing.assert_array_equal(item[key], expected[key])
    assert caches(tmp_path) == NAMES


@pytest.mark.parametrize("image_size", [28, 32, 47, 64, 224])
def test_at_the_models_size_it_sees_the_same_bytes(root, tmp_path, image_size):
    direct = reader.LeRobotDataset(root)
    cached = frame_cache.cached(direct, tmp_path, image_size=image_size)
    see = lambda image: image_tools.resize_with_pad(image.transpose(1, 2, 0), image_size, image_size)
    for i in (0, 9, 15):
        for key in direct.image_keys:
            np.testing.assert_array_equal(see(cached[i][key]), see(direct[i][key]))
            assert cached[i][key].size <= direct[i][key].size


def test_a_cached_image_is_a_view_of_the_file(root, tmp_path):
    dataset = frame_cache.cached(reader.LeRobotDataset(root), tmp_path)
    image = dataset[3][recording.CAMERA]
    assert not image.flags.writeable and image.shape == (3, recording.HEIGHT, recording.WIDTH)
    assert image.transpose(1, 2, 0).flags.c_contiguous  # as robots' transforms take it


def test_is_built_once_and_needs_no_video_after(root, tmp_path):
    copy = pathlib.Path(shutil.copytree(root, tmp_path / "copy"))
    frame_cache.cached(reader.LeRobotDataset(copy), tmp_path / "cache")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.npy")}
    dataset = frame_cache.cached(reader.LeRobotDataset(copy), tmp_path / "cache")
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.npy")}
    shutil.rmtree(copy / "videos")
    assert dataset[0][recording.CAMERA].shape == (3, recording.HEIGHT, recording.WIDTH)


def test_cameras_and_sizes_are_added_to_a_cache(root, tmp_path):
    frame_cache.cached(reader.LeRobotDataset(root, keys=[recording.PNG_CAMERA]), tmp_path)
    assert caches(tmp_path) == NAMES[1:]
    frame_cache.cached(reader.LeRobotDataset(root), tmp_path)
    assert caches(tmp_path) == NAMES
    frame_cache.cached(reader.LeRobotDataset(root, keys=[recording.CAMERA]), tmp_path, image_size=28)
    assert caches(tmp_path) == sorted([*NAMES, f"{recording.CAMERA}.21x28.npy"])


def test_a_changed_dataset_is_decoded_anew_and_the_stale_cache_removed(root, tmp_path):
    copy = pathlib.Path(shutil.copytree(root, tmp_path / "copy"))
    frame_cache.cached(reader.LeRobotDataset(copy), tmp_path / "cache")
    frame_cache.cached(reader.LeRobotDataset(root), tmp_path / "cache")
    before = set((tmp_path / "cache").rglob("*.npy"))
    shutil.rmtree(copy)
    recording.record(copy, (2, 3))
    dataset = frame_cache.cached(reader.LeRobotDataset(copy), tmp_path / "cache")
    assert len(dataset) == 5 and dataset.frames(recording.CAMERA, np.arange(5)).shape[0] == 5
    after = set((tmp_path / "cache").rglob("*.npy"))
    assert len(after) == len(before) == 4 and len(after & before) == 2  # the other dataset's stay


def test_a_dataset_with_episodes_left_out_has_its_own(root, tmp_path):
    copy = pathlib.Path(shutil.copytree(root, tmp_path / "copy"))
    whole = reader.LeRobotDataset(copy)
    frame_cache.cached(whole, tmp_path / "cache")
    (less := reader.LeRobotDataset(copy)).skipped = {1: "it was shaky"}
    (cached,) = {path.parent for path in (tmp_path / "cache").rglob("*.npy")}
    frame_cache.cached(less, tmp_path / "cache")
    assert {path.parent for path in (tmp_path / "cache").rglob("*.npy")} != {cached}


@pytest.mark.parametrize("damage", ["cut off", "garbage", "of another shape"])
def test_a_damaged_cache_is_built_anew(root, tmp_path, damage):
    dataset = reader.LeRobotDataset(root)
    frame_cache.cached(dataset, tmp_path)
    (path,) = tmp_path.rglob(NAMES[0])
    if damage == "cut off":
        os.truncate(path, path.stat().st_size - 1)
    elif damage == "garbage":
        path.write_bytes(b"no array")
    else:
        np.save(path, np.zeros((3, 48, 64, 3), np.uint8))
    cached = frame_cache.cached(dataset, tmp_path)
    np.testing.assert_array_equal(cached[15][recording.CAMERA], dataset[15][recording.CAMERA])


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_interrupted_build_leaves_no_file(root, tmp_path, monkeypatch, error):
    dataset = reader.LeRobotDataset(root)

    def interrupted(self, key, rows):
        raise error("in the middle")

    with monkeypatch.context() as patch, pytest.raises(error, match="in the middle"):
        patch.setattr(reader.LeRobotDataset, "frames", interrupted)
        frame_cache.cached(dataset, tmp_path)
    assert caches(tmp_path) == []
    assert frame_cache.cached(dataset, tmp_path)[0][recording.CAMERA].any()


SLOW_BUILD = """
import sys, time
from openpi.data import frame_cache
from openpi.data.lerobot import reader
decode = reader.LeRobotDataset.frames
def slow(self, key, rows):
    print("decoding", flush=True)
    time.sleep(0.2)
    return decode(self, key, rows)
reader.LeRobotDataset.frames = slow
frame_cache.cached(reader.LeRobotDataset(sys.argv[1]), sys.argv[2])
"""


def start_build(root, directory):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", SLOW_BUILD, str(root), str(directory)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment)
    assert process.stdout.readline() == b"decoding\n"
    return process


def test_ctrl_c_leaves_nothing_and_what_a_killed_one_left_is_removed(root, tmp_path):
    with start_build(root, tmp_path) as process:
        process.send_signal(signal.SIGINT)
    assert process.returncode != 0 and caches(tmp_path) == []
    with start_build(root, tmp_path) as process:
        process.kill()
    assert [name.startswith(".") for name in caches(tmp_path)] == [True]
    frame_cache.cached(reader.LeRobotDataset(root), tmp_path)
    assert caches(tmp_path) == NAMES


def test_of_two_processes_one_builds(root, tmp_path):
    with start_build(root, tmp_path) as process:
        began = time.monotonic()
        dataset = frame_cache.cached(reader.LeRobotDataset(root), tmp_path)
        waited = time.monotonic() - began
    assert process.returncode == 0 and waited > 0.1
    np.testing.assert_array_equal(dataset[7][recording.CAMERA], reader.LeRobotDataset(root)[7][recording.CAMERA])


def test_what_another_process_is_writing_is_not_missing(root, tmp_path):
    with start_build(root, tmp_path) as process:
        assert frame_cache.missing_bytes(reader.LeRobotDataset(root), tmp_path, 0) == 0
    assert process.returncode == 0


def build_with_files_of_at_most(limit, root, directory, errors):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        frame_cache.cached(reader.LeRobotDataset(root), directory)
    except OSError as error:
        errors.put(str(error))


def test_a_disk_that_takes_no_more_is_one_line_and_leaves_nothing(root, tmp_path):
    context = multiprocessing.get_context("spawn")
    errors = context.Queue()
    process = context.Process(target=build_with_files_of_at_most, args=(50_000, root, tmp_path, errors))
    process.start()
    text = errors.get(timeout=60)
    process.join()
    assert "caching the decoded frames of" in text and "File too large; nothing is left of" in text
    assert "\n" not in text and caches(tmp_path) == []


def test_its_size_is_known_before(root, tmp_path):
    dataset = reader.LeRobotDataset(root)
    needed = 16 * 3 * (recording.HEIGHT * recording.WIDTH + 8 * 12)
    assert frame_cache.num_bytes(dataset, 0) == frame_cache.missing_bytes(dataset, tmp_path, 0) == needed
    frame_cache.cached(dataset, tmp_path)
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.npy")) == needed + 2 * 128  # headers
    assert frame_cache.missing_bytes(dataset, tmp_path, 0) == 0


def test_a_disk_that_is_too_small_is_told_before_decoding(root, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10}))
    with pytest.raises(OSError, match="has room for 0.0 GiB: free some"):
        frame_cache.cached(reader.LeRobotDataset(root), tmp_path)
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
