"""Against a real server of this machine that drops, truncates, stalls, lies and changes its mind."""

import base64
import errno
import hashlib
import pathlib
import random

import pytest

from openpi.checkpoints.assets import address, asset_store, cache, limits, staging
from openpi.checkpoints.assets.faulty_server import Fault, FaultyServer

CONTENT = random.Random(0).randbytes(300_000)
OTHER = random.Random(1).randbytes(300_000)
QUICK = limits.Limits(stall_s=0.3, backoff_s=0.01, max_backoff_s=0.02, attempts=3)


@pytest.fixture
def home(tmp_path, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "OPENPI_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENPI_DATA_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def server():
    with FaultyServer({"/models/w.bin": CONTENT}) as server:
        yield server


def fetch(server, path="/models/w.bin", **kwargs):
    return asset_store.fetch(server.url + path, limits=QUICK, **kwargs)


def test_fetches_once(home, server):
    path = fetch(server)
    assert path == home / "http" / f"127.0.0.1:{server.server_port}" / "models" / "w.bin"
    assert path.read_bytes() == CONTENT
    assert [entry.name for entry in path.parent.iterdir()] == ["w.bin"]
    requests = len(server.requests)
    assert fetch(server) == fetch(server, offline=True) == path
    assert len(server.requests) == requests
    fetch(server, force=True)
    assert server.sent["/models/w.bin"] == 2 * len(CONTENT)


# What goes wrong with the answers, one after the other -> bytes that the server sends until the file is whole.
@pytest.mark.parametrize(
    ("faults", "sent"),
    [
        ([Fault(drop_after=200_000)], 300_000),
        ([Fault(drop_after=100_000)] * 2, 300_000),
        ([Fault(drop_after=50_000)] * 5, 300_000),  # more faults than attempts, but each brings something
        ([Fault(stall_after=200_000)], 300_000),
        ([Fault(stall_after=0)], 300_000),
        ([Fault(status=500), Fault(status=503)], 300_000),
        ([Fault(drop_after=200_000), Fault(status=500), Fault(status=429)], 300_000),
        ([Fault(drop_after=100_000), Fault(ignore_range=True)], 400_000),
        ([Fault(drop_after=100_000), Fault(shift=1)], 300_000 + 199_999),
        ([Fault(chunked=True)], 300_000),
        ([Fault(chunked=True, drop_after=200_000)], 300_000),
        ([Fault(chunked=True, extra=10)], 600_010),
    ],
    ids=str,
)
def test_recovers(home, server, faults, sent):
    server.faults["/models/w.bin"] = list(faults)
    assert fetch(server).read_bytes() == CONTENT
    # Blocks that were on their way when a connection was cut, or that were refused, may or may not count.
    assert 300_000 <= server.sent["/models/w.bin"] <= sent
    assert not server.faults["/models/w.bin"]


@pytest.mark.parametrize(
    ("fault", "error", "message"),
    [
        (Fault(status=404), OSError, "is gone"),  # HEAD said that it is there
        (Fault(status=403), PermissionError, "HTTP 403"),
        (Fault(status=500), ConnectionError, "HTTP 500"),
        (Fault(stall_after=0), ConnectionError, "does not answer"),
        (Fault(drop_after=0), ConnectionError, "run again"),
        (Fault(claim=400_000), OSError, "its size was 300000 and is 400000"),
        (Fault(encoding="gzip"), OSError, "compresses"),
    ],
    ids=str,
)
def test_gives_up(home, server, fault, error, message):
    server.always["/models/w.bin"] = fault
    with pytest.raises(error, match=message) as raised:
        fetch(server)
    assert f"{server.url}/models/w.bin" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert not cache.Entry(home, address.parse(f"{server.url}/models/w.bin").key).target.exists()
    server.always.clear()
    assert fetch(server).read_bytes() == CONTENT


def test_missing_at_once(home, server):
    with pytest.raises(FileNotFoundError, match="does not exist .HTTP 404."):
        fetch(server, "/models/other.bin")
    assert len(server.requests) == 1
    assert not (home / "http" / f"127.0.0.1:{server.server_port}").exists()
    with pytest.raises(ConnectionError, match="check the network"):
        asset_store.fetch("http://127.0.0.1:1/x", limits=QUICK)


def test_lying_about_the_end(home, server):
    server.files["/short"] = CONTENT[:1000]
    server.always["/short"] = Fault(endless=True)
    server.no_head = True
    with pytest.raises(OSError, match="where it ends"):
        fetch(server, "/short")
    server.always["/short"] = Fault(claim=2000)  # ends after half of what it announces, then has nothing more
    with pytest.raises(ConnectionError, match="could not fetch"):
        fetch(server, "/short")


def test_no_head_and_no_size(home, server):
    server.no_head = True
    server.always["/models/w.bin"] = Fault(chunked=True)
    assert fetch(server).read_bytes() == CONTENT


def test_head_that_calls_the_file_empty(home, server):
    class Dynamic(dict):
        def get(self, path):
            return CONTENT if server.requests[-1][0] == "GET" else b""

    server.files = Dynamic()
    server.no_validators = True
    assert fetch(server).read_bytes() == CONTENT


def test_checksum(home, server):
    server.content_md5["/models/w.bin"] = base64.b64encode(hashlib.md5(CONTENT).digest()).decode()
    server.faults["/models/w.bin"] = [Fault(corrupt=True)]
    assert fetch(server).read_bytes() == CONTENT
    server.always["/models/w.bin"] = Fault(corrupt=True)
    with pytest.raises(OSError, match="does not have the checksum md5:"):
        fetch(server, force=True)
    assert fetch(server, offline=True).read_bytes() == CONTENT  # what was good stays


def test_resumes_in_another_call(home, server):
    server.always["/models/w.bin"] = Fault(drop_after=0)
    server.faults["/models/w.bin"] = [Fault(drop_after=200_000)]
    with pytest.raises(ConnectionError):
        fetch(server)
    with pytest.raises(FileNotFoundError, match="offline: it is not at"):
        fetch(server, offline=True)
    server.always.clear()
    received = sum(part.stat().st_size for part in home.rglob("*.part"))
    assert 0 < received <= 200_000
    already = server.sent["/models/w.bin"]
    assert fetch(server).read_bytes() == CONTENT
    assert server.sent["/models/w.bin"] == already + 300_000 - received
    assert server.requests[-1] == ("GET", "/models/w.bin", f"bytes={received}-")


@pytest.mark.parametrize("no_validators", [False, True])
def test_changed_file_begins_anew(home, server, no_validators):
    server.no_validators = no_validators
    server.always["/models/w.bin"] = Fault(drop_after=0)
    server.faults["/models/w.bin"] = [Fault(drop_after=200_000)]
    with pytest.raises(ConnectionError):
        fetch(server)
    server.always.clear()
    server.files["/models/w.bin"] = OTHER
    assert fetch(server).read_bytes() == OTHER
    assert not list(home.rglob("*.part"))


def test_changes_between_attempts(home, server):
    class Changing(dict):
        def get(self, path):
            content = super().get(path)
            self[path] = OTHER
            return content

    server.faults["/models/w.bin"] = [Fault(drop_after=200_000)]
    server.files = Changing(server.files)  # HEAD sees the one, GET the other
    assert fetch(server).read_bytes() == OTHER


def test_no_room(home, server):
    server.always["/models/w.bin"] = Fault(claim=1 << 60)
    server.no_head = True
    with pytest.raises(OSError, match="needs 1.00EiB.*free.*OPENPI_DATA_HOME") as raised:
        fetch(server)
    assert raised.value.errno == errno.ENOSPC
    assert server.sent["/models/w.bin"] < 300_000


def test_disk_full_on_the_way(home, server):
    """/dev/full fails every write as a full disk does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(staging.Staging, "part", lambda self, file: pathlib.Path("/dev/full"))
        with pytest.raises(OSError, match="the disk is full.*run again") as raised:
            fetch(server)
    assert raised.value.errno == errno.ENOSPC
    assert "w.bin" in str(raised.value)


def test_no_permission(home, server, monkeypatch):
    monkeypatch.setenv("OPENPI_DATA_HOME", "/sys/kernel/openpi")
    with pytest.raises(PermissionError, match="may not write /sys/kernel/openpi.*OPENPI_DATA_HOME"):
        fetch(server)
