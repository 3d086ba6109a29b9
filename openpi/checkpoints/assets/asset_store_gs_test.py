"""gs:// through the real gcsfs, against a bucket on this machine."""

import json
import os
import random
import shutil

import google_crc32c
import pytest

from openpi.checkpoints.assets import asset_store, limits, manifest
from openpi.checkpoints.assets.fake_bucket import FakeBucket
from openpi.checkpoints.assets.faulty_server import Fault

X = "/openpi-assets/checkpoints/x"
BIG = random.Random(0).randbytes(400_000)
FILES = {
    f"{X}/params/_METADATA": b"{}",
    f"{X}/params/d/big": BIG,
    f"{X}/params/d/empty": b"",
    f"{X}/assets/robot one/norm_stats.json": b"{}",
    f"{X}/assets/": b"",  # how some tools mark folders
    f"{X}y/other": b"the neighbour",
}
QUICK = limits.Limits(stall_s=2.0, backoff_s=0.01, max_backoff_s=0.02, attempts=3)


@pytest.fixture
def home(tmp_path, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "OPENPI_OFFLINE", "GOOGLE_APPLICATION_CREDENTIALS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENPI_DATA_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def bucket(monkeypatch):
    with FakeBucket(dict(FILES)) as bucket:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", bucket.url)
        yield bucket


def fetch(path, **kwargs):
    return asset_store.fetch(f"gs:/{path}", limits=QUICK, **kwargs)


def tree(folder):
    """Path -> content of every file in a folder, the hidden ones too."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def expected(prefix):
    return {
        path.removeprefix(f"{prefix}/"): content
        for path, content in FILES.items()
        if path.startswith(f"{prefix}/") and not path.endswith("/")
    }


def test_folder(home, bucket):
    assert fetch(X) == home / "openpi-assets" / "checkpoints" / "x"
    assert tree(home / "openpi-assets") == {f"checkpoints/x/{path}": data for path, data in expected(X).items()}
    requests = len(bucket.requests)
    assert fetch(f"{X}/") == fetch(X, offline=True)
    # What lies in a complete folder is complete as well.
    assert fetch(f"{X}/params/d/big", offline=True).read_bytes() == BIG
    assert fetch(f"{X}/params", offline=True).is_dir()
    assert len(bucket.requests) == requests


def test_part_of_a_folder_is_not_the_folder(home, bucket):
    fetch(f"{X}/params")
    assert tree(home / "openpi-assets/checkpoints/x") == {f"params/{k}": v for k, v in expected(f"{X}/params").items()}
    with pytest.raises(FileNotFoundError, match="nothing proves that it is whole"):
        fetch(X, offline=True)
    assert tree(fetch(X)) == expected(X)
    assert bucket.sent[f"{X}/params/d/big"] == len(BIG)  # it was not downloaded again
    assert fetch(f"{X}/params", offline=True).is_dir()


def test_single_files(home, bucket):
    path = fetch(f"{X}/assets/robot one/norm_stats.json")
    assert path.read_bytes() == b"{}"
    assert fetch(f"{X}/params/d/empty").read_bytes() == b""
    assert fetch(f"{X}/params/d/empty", offline=True).read_bytes() == b""


def test_takes_over_a_published_cache(home, bucket):
    """What the published program left has no manifest: it is compared with the store, and completed."""
    folder = home / "openpi-assets/checkpoints/x"
    (folder / "params/d").mkdir(parents=True)
    (folder / "params/d/big").write_bytes(BIG)
    (folder / "params/_METADATA").write_bytes(b"[]")  # of another version, though of the same size
    with pytest.raises(FileNotFoundError, match="give that path itself"):
        fetch(X, offline=True)
    assert tree(fetch(X)) == expected(X)
    assert bucket.sent[f"{X}/params/d/big"] == 0
    fetch(X, offline=True)


def test_removes_what_is_out_of_date(home, bucket):
    folder = home / "openpi-assets/checkpoints/x"
    folder.mkdir(parents=True)
    (folder / "old_layout").write_bytes(b"old")
    os.utime(folder, (1.7e9, 1.7e9))  # 2023
    assert tree(fetch(X)) == expected(X)


def test_damage_and_changes(home, bucket):
    folder = fetch(X)
    (folder / "params/d/big").write_bytes(BIG[:-1])
    with pytest.raises(FileNotFoundError, match="offline"):
        fetch(X, offline=True)
    bucket.files[f"{X}/params/_METADATA"] = b'{"new": 1}'
    del bucket.files[f"{X}/params/d/empty"]
    assert fetch(X) == folder
    assert (folder / "params/d/big").read_bytes() == BIG
    assert (folder / "params/_METADATA").read_bytes() == b'{"new": 1}'
    assert not (folder / "params/d/empty").exists()
    assert bucket.sent[f"{X}/params/d/big"] == 2 * len(BIG)
    bucket.files[f"{X}/params/_METADATA"] = b'{"new": 2}'
    assert (fetch(X, force=True) / "params/_METADATA").read_bytes() == b'{"new": 2}'
    assert bucket.sent[f"{X}/params/d/big"] == 3 * len(BIG)


def test_resumes_a_folder(home, bucket):
    bucket.always[f"{X}/params/d/big"] = Fault(drop_after=0)
    bucket.faults[f"{X}/params/d/big"] = [Fault(drop_after=300_000)]
    with pytest.raises(ConnectionError, match="could not fetch gs://openpi-assets/checkpoints/x: "):
        fetch(X)
    assert not (home / "openpi-assets/checkpoints/x").exists()
    del bucket.always[f"{X}/params/d/big"]
    received = max(path.stat().st_size for path in home.rglob("*.part"))
    already = bucket.sent[f"{X}/params/d/big"]
    assert tree(fetch(X)) == expected(X)
    assert bucket.sent[f"{X}/params/d/big"] == already + len(BIG) - received


def test_listing_recovers(home, bucket):
    bucket.faults["list"] = [Fault(status=503)]
    assert fetch(f"{X}/params").is_dir()


def test_verifies(home, bucket):
    bucket.composite = {f"{X}/params/d/big"}
    bucket.faults[f"{X}/params/d/big"] = [Fault(corrupt=True)]
    assert fetch(f"{X}/params/d/big").read_bytes() == BIG
    record = manifest.load(home, f"{X[1:]}/params/d/big").files[f"{X[1:]}/params/d/big"]
    assert record.checksum == f"crc32c:{google_crc32c.value(BIG):08x}"
    bucket.always[f"{X}/params/_METADATA"] = Fault(corrupt=True)
    with pytest.raises(OSError, match="x/params/_METADATA does not have the checksum md5:"):
        fetch(X)
    assert not (home / "openpi-assets/checkpoints/x/params/_METADATA").exists()


def test_changes_while_it_is_fetched(home, bucket):
    """Even to content of the same size: it is listed again."""
    big = f"{X}/params/d/big"

    class Changing(dict):
        def get(self, path):
            if path == big:  # after the listing, before the first byte
                self[path] = BIG[::-1]
            return super().get(path)

    bucket.files = Changing(bucket.files)
    assert tree(fetch(X)) == expected(X) | {"params/d/big": BIG[::-1]}
    assert bucket.sent[big] == len(BIG)


def test_refusals(home, bucket, tmp_path, monkeypatch):
    bucket.files["/bad/x/../../etc/passwd"] = b""
    bucket.files["/clash/x/a"] = bucket.files["/clash/x/a/b"] = b""
    for path, error, message in [
        (f"{X}/missing", FileNotFoundError, "does not exist"),
        ("/bad/x", ValueError, "no safe relative path"),
        ("/clash/x", ValueError, "as a file and as a folder"),
    ]:
        with pytest.raises(error, match=message) as raised:
            fetch(path)
        assert f"gs:/{path}" in str(raised.value)
    for bucket.refusal in (401, 403):
        with pytest.raises(PermissionError, match="GOOGLE_APPLICATION_CREDENTIALS"):
            fetch(X)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(FileNotFoundError, match="mend or unset"):
        fetch(X)
    assert not list(home.rglob("*.part"))


def test_damaged_manifest(home, bucket):
    """A copied or damaged note proves nothing."""
    folder = fetch(X)
    note = next(home.rglob("*.manifest.json"))
    content = json.loads(note.read_text())
    for damaged in ("", "[]", json.dumps(content | {"key": "other"}), json.dumps(content | {"files": {}})):
        note.write_text(damaged)
        with pytest.raises(FileNotFoundError, match="offline"):
            fetch(X, offline=True)
    assert fetch(X) == folder
    assert fetch(X, offline=True) == folder
    shutil.rmtree(folder)
    assert tree(fetch(X)) == expected(X)
