import pathlib

import pytest

from openpi.checkpoints.assets import cache


def test_data_home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("OPENPI_DATA_HOME", raising=False)
    assert cache.data_home() == tmp_path / ".cache" / "openpi"
    monkeypatch.setenv("OPENPI_DATA_HOME", "~/other")
    assert cache.data_home() == tmp_path / "other"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENPI_DATA_HOME", "here")
    assert cache.data_home() == tmp_path / "here"


def test_places():
    root = pathlib.Path("/r")
    entry = cache.Entry(root, "bucket/a/1.0.1")
    assert entry.target == root / "bucket/a/1.0.1"
    assert entry.partial == root / "bucket/a/.1.0.1.partial"
    assert entry.manifest == cache.manifest_path(root, entry.key) == root / ".fetch/bucket/a/1.0.1.manifest.json"
    assert entry.lock == root / ".fetch/bucket/a/1.0.1.lock"


def test_make_folder(tmp_path):
    cache.make_folder(tmp_path / "a" / "b")
    cache.make_folder(tmp_path / "a" / "b")
    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError, match="is a file where the cache needs a folder"):
        cache.make_folder(tmp_path / "file")
    with pytest.raises(FileExistsError, match=r"/file is a file where the cache needs a folder; remove it"):
        cache.make_folder(tmp_path / "file" / "below" / "it")
    # Nobody, not even root, makes folders there.
    with pytest.raises(PermissionError, match="may not write /sys/kernel/openpi.*OPENPI_DATA_HOME"):
        cache.make_folder(pathlib.Path("/sys/kernel/openpi"))
