"""Fetching through the real huggingface_hub, from a hub on this machine."""

import numpy as np
import pytest

from openpi.checkpoints.assets import faulty_server, limits
from openpi.data import hub, hub_test_server
from openpi.data.lerobot import reader, recording

QUICK = limits.Limits(stall_s=2.0, backoff_s=0.01, max_backoff_s=0.02, attempts=2)
REPO = "lab/cubes"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    return recording.record(tmp_path_factory.mktemp("recorded") / "cubes")


def files(root):
    found = {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    return {f"/datasets/{REPO}/{name}": content for name, content in found.items()}


@pytest.fixture
def home(tmp_path, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "OPENPI_OFFLINE", "HF_HUB_OFFLINE", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENPI_DATA_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def server(recorded, home, monkeypatch):
    content = files(recorded) | {f"/datasets/{REPO}/{name}": b"x" * 2000 for name in ("README.md", "raw/big.bin")}
    with (
        faulty_server.FaultyServer(dict(content)) as storage,
        hub_test_server.DatasetHub(storage, files=dict(content)) as server,
    ):
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


def fetch(repo_id=REPO, **options):
    return hub.fetch(repo_id, limits=QUICK, **options)


def test_what_is_fetched_is_the_dataset_and_nothing_else(recorded, home, server):
    server.revisions |= {"v2.1", "v3.0"}
    root = fetch()
    assert root == home / f"hf/datasets/{REPO}@v3.0"
    names = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    assert {f"/datasets/{REPO}/{name}" for name in names} == set(files(recorded))
    expected, fetched = reader.LeRobotDataset(recorded)[7], reader.LeRobotDataset(root)[7]
    np.testing.assert_array_equal(expected[recording.CAMERA], fetched[recording.CAMERA])


@pytest.mark.parametrize(
    ("revisions", "asked", "taken"),
    [
        ({"main", "v2.0", "v2.1"}, "", "v2.1"),
        ({"main", "v2.0"}, "", "v2.0"),
        ({"main"}, "", "main"),
        ({"main", "v3.0"}, "main", "main"),
        ({"main", "work/new"}, "work/new", "work%2Fnew"),
        ({"main", "refs/pr/1"}, "refs/pr/1", "refs%2Fpr%2F1"),
    ],
)
def test_revision(home, server, revisions, asked, taken):
    server.revisions = revisions
    assert fetch(revision=asked) == home / f"hf/datasets/{REPO}@{taken}"


def test_what_is_complete_needs_no_network(home, server, monkeypatch):
    root = fetch()
    requests = len(server.requests)
    assert fetch() == root and len(server.requests) == requests
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert fetch() == root
    with pytest.raises(FileNotFoundError, match="other.*offline.*fetch it once online"):
        fetch("lab/other")
    monkeypatch.delenv("HF_HUB_OFFLINE")
    next(root.glob("data/*/*")).unlink()
    assert next(fetch().glob("data/*/*")).is_file()
    assert fetch(force=True) == root and len(server.requests) > requests


def test_a_dataset_recorded_here_goes_first(recorded, home, server):
    assert fetch(root=recorded) == recorded and not server.requests
    assert fetch(root=home / "none") == home / f"hf/datasets/{REPO}@main"
    assert fetch(root=recorded, revision="main") == home / f"hf/datasets/{REPO}@main"


@pytest.mark.parametrize(
    ("repo_id", "revision", "error", "message"),
    [
        ("cubes", "", ValueError, "'cubes' is no repository of the Hub: give OWNER/NAME"),
        ("../etc", "", ValueError, "is no repository"),
        ("lab/none", "", FileNotFoundError, "no LeRobot dataset 'lab/none': .*does not exist or is private.*HF_TOKEN"),
        (REPO, "v9", FileNotFoundError, "no LeRobot dataset .*@v9.* has no such path or revision"),
    ],
)
def test_errors(home, server, repo_id, revision, error, message):
    with pytest.raises(error, match=message) as raised:
        fetch(repo_id, revision=revision)
    assert "\n" not in str(raised.value)


def test_gated(home, server):
    server.gated = True
    with pytest.raises(PermissionError, match="accept the terms"):
        fetch()


def test_no_network(home, server, monkeypatch):
    server.faults["api"] = [faulty_server.Fault(status=503) for _ in range(100)]
    message = f"no LeRobot dataset '{REPO}' here, and could not fetch .*check the network.*"
    with pytest.raises(ConnectionError, match=message):
        fetch()
    with pytest.raises(ConnectionError, match=message + "; or set config.data.root to the folder of one"):
        fetch(root=home / "none")


def test_what_is_no_dataset_is_told_before_it_is_downloaded(home, server):
    server.files[f"/datasets/{REPO}/meta/info.json"] = b'{"codebase_version": "v1.6"}'
    with pytest.raises(ValueError, match="codebase_version is 'v1.6'"):
        fetch()
    assert not list(home.glob("**/*.mp4"))
