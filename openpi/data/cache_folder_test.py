import errno
import fcntl
import os
import pathlib
import shutil

import pytest

from openpi.data import cache_folder
from openpi.data.lerobot import reader, recording


@pytest.fixture
def root(tmp_path):
    return recording.record(tmp_path / "data", (2, 3))


def place(root, tmp_path):
    return cache_folder.CacheFolder(reader.LeRobotDataset(root), tmp_path / "caches").path


@pytest.mark.parametrize("touch", ["data", "meta", "videos"])
def test_any_file_of_the_dataset_counts(root, tmp_path, touch):
    before = place(root, tmp_path)
    assert place(root, tmp_path) == before
    path = next(path for path in sorted((root / touch).rglob("*")) if path.is_file())
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    assert place(root, tmp_path) != before


def test_a_cache_of_another_version_is_not_taken(root, tmp_path, monkeypatch):
    before = place(root, tmp_path)
    monkeypatch.setattr(cache_folder, "_VERSION", cache_folder._VERSION + 1)
    assert place(root, tmp_path) != before


def test_a_file_is_there_whole_or_not_at_all(root, tmp_path):
    folder = cache_folder.CacheFolder(reader.LeRobotDataset(root), tmp_path / "caches")
    with folder.locked():
        with pytest.raises(RuntimeError), folder.writing("a") as partial:
            partial.write_text("half")
            assert not (folder.path / "a").exists()
            raise RuntimeError
        assert list(folder.path.iterdir()) == []
        with folder.writing("b") as partial:
            partial.mkdir()
            (partial / "part").write_text("whole")
    assert [path.name for path in folder.path.rglob("*")] == ["b", "part"]


def test_a_stale_folder_stays_while_a_run_reads_it(root, tmp_path):
    open_folder = lambda: cache_folder.CacheFolder(reader.LeRobotDataset(root), tmp_path / "caches")
    stale = open_folder()
    stale.check_free(1, "a byte")
    used = cache_folder.Hold(stale.path)
    os.utime(root / "meta" / "info.json", ns=(0, 1))
    open_folder().remove_stale()
    assert stale.path.is_dir()
    del used
    with cache_folder.Hold(stale.path):
        open_folder().remove_stale()
        assert stale.path.is_dir()
    open_folder().remove_stale()
    assert list((tmp_path / "caches").iterdir()) == []


def test_a_disk_without_locks_or_read_only_is_used_without(root, tmp_path, monkeypatch):
    stale = cache_folder.CacheFolder(reader.LeRobotDataset(root), tmp_path / "caches")
    stale.check_free(1, "a byte")

    def no_locks(*_):
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with cache_folder.Hold(stale.path), cache_folder.Hold(root / "meta" / "info.json" / "no folder"):
        os.utime(root / "meta" / "info.json", ns=(0, 1))
        cache_folder.CacheFolder(reader.LeRobotDataset(root), tmp_path / "caches").remove_stale()
    assert not stale.path.exists()


@pytest.mark.parametrize("name", ["reach [old]", "*"])
def test_any_name_of_a_dataset_may_be_part_of_a_folder_s(tmp_path, name):
    root = recording.record(tmp_path / name, (2,))
    folder = cache_folder.CacheFolder(reader.LeRobotDataset(root), tmp_path / "caches")
    with folder.locked():
        (folder.path / ".a.partial-0123").write_text("half")
    with folder.locked():
        assert list(folder.path.iterdir()) == []
    os.utime(root / "meta" / "info.json", ns=(0, 1))
    cache_folder.CacheFolder(reader.LeRobotDataset(root), tmp_path / "caches").remove_stale()
    assert not folder.path.exists()


def test_stale_folders_of_this_dataset_go_and_others_stay(root, tmp_path):
    other = pathlib.Path(shutil.copytree(root, tmp_path / "elsewhere" / "data"))
    kept = cache_folder.CacheFolder(reader.LeRobotDataset(other), tmp_path / "caches")
    stale = cache_folder.CacheFolder(reader.LeRobotDataset(root), tmp_path / "caches")
    for folder in (kept, stale):
        folder.check_free(1, "a byte")
    shutil.rmtree(root)
    recording.record(root, (4,))
    fresh = cache_folder.CacheFolder(reader.LeRobotDataset(root), tmp_path / "caches")
    with fresh.locked():
        fresh.remove_stale()
    assert {path.name for path in (tmp_path / "caches").iterdir() if path.is_dir()} == {fresh.path.name, kept.path.name}
