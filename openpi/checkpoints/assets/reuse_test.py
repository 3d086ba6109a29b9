import hashlib

import pytest

from openpi.checkpoints.assets import cache, manifest, remote_file, reuse, staging

CONTENT = b"content"
MD5 = f"md5:{hashlib.md5(CONTENT).hexdigest()}"


def remote(**kwargs):
    return remote_file.RemoteFile(path="d/x", url="http://h/x", **({"size": len(CONTENT)} | kwargs))


@pytest.fixture
def entry(tmp_path):
    return cache.Entry(tmp_path, "b/a")


def write(path, content=CONTENT):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def is_missing(entry, file, force=False):
    return bool(reuse.missing([file], entry, staging.Staging(entry.partial), force=force))


@pytest.mark.parametrize(
    ("content", "record", "file", "missing"),
    [
        (None, None, {"checksum": MD5}, True),
        (CONTENT, None, {"checksum": MD5}, False),  # the content itself proves it
        (b"CONTENT", None, {"checksum": MD5}, True),
        (CONTENT, None, {}, True),  # nothing proves it
        (CONTENT, {"version": "1"}, {"version": "1"}, False),
        (CONTENT, {"version": "1"}, {"version": "2"}, True),
        (CONTENT, {"version": "1"}, {"version": "2", "checksum": MD5}, False),
        (CONTENT, {"checksum": "md5:old"}, {"checksum": MD5}, False),
        (b"shorter", {"version": "1"}, {"version": "1", "size": 8}, True),
        (CONTENT, {}, {}, True),
    ],
)
@pytest.mark.parametrize("noted_by", ["b", "b/a", "b/a/d", "b/a/d/x"])
def test_in_the_cache(entry, content, record, file, missing, noted_by):
    if content is not None:
        write(entry.target / "d/x", content)
    if record is not None:
        files = {"b/a/d/x": manifest.Record(size=len(content), **record)}
        manifest.save(entry.root, manifest.Manifest(url="", key=noted_by, files=files))
    assert is_missing(entry, remote(**file)) == missing
    assert is_missing(entry, remote(**file), force=True)


def test_in_the_staging_folder(entry):
    stage = staging.Staging(entry.partial)
    write(stage.place(remote()))
    assert not is_missing(entry, remote(checksum=MD5))
    assert not is_missing(entry, remote(checksum=MD5), force=True)  # of a forced fetch that was stopped
    assert is_missing(entry, remote(version="1"))


def test_what_is_right_in_the_cache_is_not_replaced(entry):
    stage = staging.Staging(entry.partial)
    write(entry.target / "d/x")
    write(stage.place(remote()), b"earlier")  # of a fetch that was stopped before the store changed
    assert not is_missing(entry, remote(checksum=MD5))
    assert not stage.place(remote()).exists()


def test_key(entry):
    assert reuse.key(entry, remote()) == "b/a/d/x"
    assert reuse.key(entry, remote_file.RemoteFile(path="", url="", size=1)) == "b/a"
