import concurrent.futures
import os
import pickle
import resource
import shutil
import time

import filelock
import numpy as np
import pytest

from openpi.data.rlds import droid, index_build, index_part, recording, tfds_info

LENGTHS = (4, 0, 6, 3, 5)


@pytest.fixture
def folder(tmp_path):
    episodes = [recording.droid_episode(i, length) for i, length in enumerate(LENGTHS)]
    return recording.write(tmp_path / "droid/1.0.1", episodes, num_files=3)


def build(folder, cache, **options):
    return index_build.open_or_build(tfds_info.load(folder), droid.LAYOUT, cache, **options)


def check(index):
    assert len(index) == 18 and (index.stop - index.start).tolist() == list(LENGTHS)
    assert index.file.tolist() == [0, 0, 1, 1, 2] and index.record.tolist() == [0, 1, 0, 1, 0]
    row = 0
    for number, length in enumerate(LENGTHS):
        values = recording.droid_episode(number, length)
        assert index.metadata[number] == [values[path][0] for path in droid.LAYOUT.metadata]
        for step in range(length):
            assert index.episode_of(row) == number
            for camera in droid.LAYOUT.images:
                assert index.read_image(row, camera) == values[f"steps/{camera}"][step]
            texts = [values[f"steps/{name}"][step] for name in droid.LAYOUT.texts]
            assert [index.texts[i] for i in index.text[row]] == texts
            row += 1
        rows = slice(index.start[number], index.stop[number])
        for name, _ in droid.LAYOUT.tables:
            np.testing.assert_array_equal(index.column(name)[rows], values[f"steps/{name}"].astype(np.float32))


def test_everything_is_found_again(folder, tmp_path):
    index = build(folder, tmp_path / "cache")
    check(index)
    check(pickle.loads(pickle.dumps(index)))
    assert index.where(5).startswith("episode 2 (record 0 of ") and index.where(5).endswith("00001-of-00003), step 1")


def test_several_processes_find_the_same(folder, tmp_path):
    check(build(folder, tmp_path / "cache", num_processes=2))


def test_it_is_built_once(folder, tmp_path, monkeypatch):
    build(folder, tmp_path / "cache")
    monkeypatch.setattr(index_part, "write", None)
    check(build(folder, tmp_path / "cache"))
    names = {path.name for path in (tmp_path / "cache").rglob("*") if path.is_file()}
    arrays = {"tables.npy", "image_start.npy", "image_size.npy", "text.npy", "episodes.npy"}
    assert names == arrays | {"texts.json", "lock"}


def test_a_pass_that_was_stopped_goes_on(folder, tmp_path, monkeypatch):
    write, read = index_part.write, []

    def stopped(path, *more):
        if path.name.endswith("00002-of-00003") and len(read) < 3:
            read.append("stop")
            raise KeyboardInterrupt
        read.append(path.name[-14:])
        return write(path, *more)

    monkeypatch.setattr(index_part, "write", stopped)
    with pytest.raises(KeyboardInterrupt):
        build(folder, tmp_path / "cache")
    check(build(folder, tmp_path / "cache"))
    assert read == ["00000-of-00003", "00001-of-00003", "stop", "00002-of-00003"]


def test_a_file_that_changed_is_read_again(folder, tmp_path):
    build(folder, tmp_path / "cache")
    stat = (folder / "features.json").stat()
    file = folder / "droid_101-train.tfrecord-00001-of-00003"
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns + 10**9))
    check(build(folder, tmp_path / "cache"))
    assert len([path for path in next((tmp_path / "cache").iterdir()).iterdir() if path.is_dir()]) == 1


def damage(file, position, byte=None):
    content = bytearray(file.read_bytes())
    if byte is None:
        del content[position:]
    else:
        content[position] ^= byte
    file.write_bytes(content)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_damaged_file_is_named_and_nothing_is_left_of_it(folder, tmp_path, processes):
    file = folder / "droid_101-train.tfrecord-00001-of-00003"
    damage(file, -20)
    with pytest.raises(ValueError, match="00001-of-00003: record 1: its .* go beyond the file's .* fetch that file"):
        build(folder, tmp_path / "cache", num_processes=processes)
    left = [path.name for path in (tmp_path / "cache").rglob("*") if path.is_file() and path.name != "lock"]
    assert all("00001-of-00003" not in name and not name.startswith(".") for name in left)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda file: damage(file, 5000, 1), "record 0: the checksum of its .* is wrong"),
        (lambda file: damage(file, 0), "has 0 records and dataset_info.json tells 2: fetch that file again"),
        (lambda file: file.write_bytes(recording.frame(b"no example")), "record 0: no tf.train.Example"),
        (lambda file: file.write_bytes(recording.frame(b"")), "record 0: feature '.*' is missing"),
    ],
)
def test_damage_is_told_with_file_and_record(folder, tmp_path, change, message):
    change(folder / "droid_101-train.tfrecord-00001-of-00003")
    with pytest.raises(ValueError, match=f"tfrecord-00001-of-00003:? {message}"):
        build(folder, tmp_path / "cache")


def test_a_dataset_without_steps_is_told(tmp_path):
    folder = recording.write(tmp_path / "droid/1.0.1", [recording.droid_episode(0, 0)], num_files=1)
    with pytest.raises(ValueError, match="droid/1.0.1 has no steps"):
        build(folder, tmp_path / "cache")


@pytest.mark.parametrize("limit", [1000, 20_000])  # bytes of a file: too few for a part, and for the whole
def test_a_disk_that_is_full_is_told_and_nothing_is_poisoned(tmp_path, limit):
    episodes = [recording.droid_episode(i, 100) for i in range(3)]
    folder = recording.write(tmp_path / "droid/1.0.1", episodes, num_files=3)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        with pytest.raises(OSError, match="File too large, while the index was written: '.*/cache/droid-1.0.1-"):
            build(folder, tmp_path / "cache")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    left = [path.name for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert len(left) == (1 if limit == 1000 else 4) and not any(name.startswith(".") for name in left)
    assert len(build(folder, tmp_path / "cache")) == 300


@pytest.mark.parametrize(
    ("name", "content"), [("tables.npy", b""), ("episodes.npy", b"no array"), ("texts.json", b"{"), ("text.npy", None)]
)
def test_a_damaged_index_is_told_with_the_remedy(folder, tmp_path, name, content):
    made = build(folder, tmp_path / "cache").folder
    if content is None:
        os.truncate(made / name, (made / name).stat().st_size - 1)
    else:
        (made / name).write_bytes(content)
    with pytest.raises(ValueError, match="the index in .*cache.* is damaged .*: remove that folder, it is made anew"):
        build(folder, tmp_path / "cache")
    shutil.rmtree(made)
    check(build(folder, tmp_path / "cache"))


def test_waiting_for_another_process_is_told(folder, tmp_path, caplog):
    caplog.set_level("INFO", logger="openpi")
    home = build(folder, tmp_path / "cache").folder.parent
    shutil.rmtree(next(path for path in home.iterdir() if path.is_dir()))
    with filelock.FileLock(home / "lock") as lock, concurrent.futures.ThreadPoolExecutor() as pool:
        waiting = pool.submit(build, folder, tmp_path / "cache")
        while "another process is indexing" not in caplog.text:
            time.sleep(0.01)
        lock.release()
        check(waiting.result())


def test_a_file_that_became_shorter_is_told(folder, tmp_path):
    index = build(folder, tmp_path / "cache")
    damage(folder / "droid_101-train.tfrecord-00002-of-00003", 100)
    with pytest.raises(ValueError, match="episode 4 .*, step 4: .*wrist_image_left: the file ends within the image"):
        index.read_image(17, "observation/wrist_image_left")
