import os
import pathlib
import shutil
import tempfile

import pytest

from openpi.checkpoints.assets import cache, install, manifest


@pytest.fixture
def entry(tmp_path):
    return cache.Entry(tmp_path, "b/a")


def put(entry, contents):
    """Installs `contents` (path -> content) as the whole asset."""
    tree = entry.partial / "tree"
    entry.partial.mkdir(parents=True, exist_ok=True)
    for path, content in contents.items():
        place = tree / path if path else tree
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content)
    keys = {f"{entry.key}/{path}" if path else entry.key: content for path, content in contents.items()}
    files = {name: manifest.Record(size=len(content), version=content) for name, content in keys.items()}
    install.install(entry, tree, manifest.Manifest(url="", key=entry.key, files=files), set(files))


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


def keys(entry):
    return {each.key for each in [*manifest.covering(entry.root, entry.key), *manifest.within(entry.root, entry.key)]}


def test_new_and_replaced(entry):
    put(entry, {"x": "1", "d/y": "2"})
    assert contents(entry.target) == {"x": "1", "d/y": "2"}
    assert not entry.partial.exists()
    (entry.target / "mine").write_text("kept")
    put(entry, {"x": "3", "e/f/z": "4"})  # the store has d/y no more
    assert contents(entry.target) == {"x": "3", "e/f/z": "4", "mine": "kept"}
    assert keys(entry) == {"b/a"}


def test_single_file(entry):
    put(entry, {"": "1"})
    put(entry, {"": "2"})
    assert entry.target.read_text() == "2"
    put(entry, {"x": "1"})  # it is a folder now
    assert contents(entry.target) == {"x": "1"}
    with pytest.raises(IsADirectoryError, match="remove it and fetch again"):
        put(entry, {"": "3"})


def test_manifests_of_changed_files_go(entry):
    outer = cache.Entry(entry.root, "b")
    inner = cache.Entry(entry.root, "b/a/d")
    put(outer, {"a/d/x": "1", "a/e/y": "1"})
    put(inner, {"x": "1"})
    put(entry, {"d/x": "1", "e/y": "1"})
    assert keys(entry) == {"b", "b/a", "b/a/d"}  # the same content: all still true
    put(entry, {"d/x": "1", "e/y": "2"})
    assert keys(entry) == {"b/a", "b/a/d"}
    put(inner, {"x": "2"})
    assert keys(entry) == {"b/a/d"}


def test_an_interrupted_replacement_is_incomplete(entry):
    put(entry, {"x": "1", "d": "1"})
    (entry.target / "d").unlink()
    (entry.target / "d").mkdir()
    with pytest.raises(IsADirectoryError):
        put(entry, {"x": "2", "d": "2"})
    assert keys(entry) == set()


@pytest.fixture
def other_disk(tmp_path):
    memory = pathlib.Path("/dev/shm")
    if not os.access(memory, os.W_OK) or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is only one file system")
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield pathlib.Path(folder)


@pytest.mark.parametrize("linked", [".", "d"])
def test_a_folder_that_lies_on_another_disk(entry, other_disk, linked):
    put(entry, {"x": "1", "d/e/y": "1", "d/z": "1"})
    shutil.move(entry.target / linked, other_disk / "moved")
    (entry.target / linked).symlink_to(other_disk / "moved")
    put(entry, {"x": "2", "d/e/y": "2", "d/new/y": "2"})
    assert {path: (entry.target / path).read_text() for path in ("x", "d/e/y", "d/new/y")} == {
        "x": "2",
        "d/e/y": "2",
        "d/new/y": "2",
    }
    assert not (entry.target / "d/z").exists()
    assert keys(entry) == {"b/a"}


def test_someone_fetches_a_part_meanwhile(entry):
    (entry.target / "other").mkdir(parents=True)
    put(entry, {"x": "1"})
    assert contents(entry.target) == {"x": "1"}


def test_remove(tmp_path):
    (tmp_path / "d/e").mkdir(parents=True)
    (tmp_path / "d/e/f").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "d")
    install.remove(tmp_path / "link")
    assert (tmp_path / "d/e/f").exists()
    install.remove(tmp_path / "d")
    install.remove(tmp_path / "none")
    assert not list(tmp_path.iterdir())
