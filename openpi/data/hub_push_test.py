"""Pushing through the real huggingface_hub, to a hub on this machine."""

import json
import re
import shutil

import numpy as np
import pytest
from huggingface_hub import constants

from openpi.checkpoints.assets import faulty_server, limits
from openpi.data import hub, hub_push, hub_test_server
from openpi.data.lerobot import reader, recording

QUICK = limits.Limits(stall_s=2.0, backoff_s=0.01, max_backoff_s=0.02, attempts=2)
REPO = "lab/cubes"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    return recording.record(tmp_path_factory.mktemp("recorded") / "cubes")


@pytest.fixture
def server(tmp_path, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "OPENPI_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENPI_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_TOKEN", "hf_write")
    with faulty_server.FaultyServer() as storage, hub_test_server.DatasetHub(storage) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


def push(root, server, **options):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(constants, "ENDPOINT", server.url)  # as if it had been set when this program started
        return hub_push.push(root, REPO, **options)


def files(root):
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_what_is_pushed_is_fetched_again(recorded, server):
    (recorded / ".cache").mkdir(exist_ok=True)
    (recorded / ".cache/secret").write_text("mine")
    url = push(recorded, server, private=True, tags=("cubes",))
    assert url == f"{server.url}/datasets/{REPO}"
    assert server.private == {REPO: True}
    assert server.revisions >= {"main", reader.LeRobotDataset(recorded).info.version}
    expected = {name: data for name, data in files(recorded).items() if not name.startswith(".cache")}
    there = server.dataset(REPO)
    assert there.keys() == {*expected, "README.md", ".gitattributes"}
    assert {name: there[name] for name in expected} == expected
    fetched = hub.fetch(REPO, limits=QUICK)
    assert fetched.name == "cubes@v3.0"
    one, other = reader.LeRobotDataset(recorded)[9], reader.LeRobotDataset(fetched)[9]
    assert one.keys() == other.keys()
    np.testing.assert_array_equal(one[recording.CAMERA], other[recording.CAMERA])


def test_page(recorded, server):
    push(recorded, server, tags=("cubes", "a: b"), license="cc-by-4.0")
    text = server.dataset(REPO)["README.md"].decode()
    head, _, body = text.removeprefix("---\n").partition("---\n")
    assert json.loads(re.search("tags: (.*)", head)[1]) == ["LeRobot", "cubes", "a: b"]
    assert 'license: "cc-by-4.0"' in head and "data_files: data/*/*.parquet" in head
    for line in (
        "| robot | aloha |",
        "| frames per second | 10 |",
        "| episodes | 3 |",
        "| frames | 16 (0.00 hours) |",
        "- reach the cube",
        "| `observation.state` | float32 | [3] | x, y, z |",
        "| `observation.images.cam_high` | video | [48, 64, 3] | height, width, channels |",
        f"$ bazel run //openpi/datasets:pull -- {REPO}",
    ):
        assert f"\n{line}\n" in body, body


def test_a_second_push_replaces_the_first(recorded, server, tmp_path):
    push(recorded, server)
    server.files[f"/datasets/{REPO}/videos/old/chunk-000/file-000.mp4"] = b"old"
    server.files[f"/datasets/{REPO}/notes.txt"] = b"mine"
    other = recording.record(tmp_path / "other", lengths=(3,))
    push(other, server)
    assert server.dataset(REPO).keys() == {*files(other), "README.md", "notes.txt", ".gitattributes"}
    assert all(server.dataset(REPO)[name] == data for name, data in files(other).items())


def test_meta_comes_last(recorded, server, monkeypatch):
    monkeypatch.setattr(hub_push, "_FILES_A_COMMIT", 1)
    push(recorded, server)
    *first, (_, last) = server.commits
    assert len(first) == 2 and all(len(paths) == 1 for _, paths in first)
    assert {path.partition("/")[0] for _, paths in first for path in paths} == {"data", "videos"}
    assert {path.partition("/")[0] for path in last} == {"meta", "README.md"}


def test_an_older_format_does_not_hide_behind_a_newer_one(recorded, server, tmp_path):
    push(recorded, server)
    older = recording.record(tmp_path / "older", version="v2.1")
    before = server.dataset(REPO)
    with pytest.raises(
        ValueError, match=r"has a dataset of format v3.0, newer than this one's v2.1, .* record it as v3.0"
    ):
        push(older, server)
    assert server.dataset(REPO) == before and "v2.1" not in server.revisions
    push(older, server, revision="older")


def test_another_branch_is_not_tagged(recorded, server):
    push(recorded, server, revision="try")
    assert "try" in server.revisions and "v3.0" not in server.revisions


@pytest.mark.parametrize(
    "missing", ["meta/info.json", "meta/tasks.parquet", "data/chunk-000/file-000.parquet", "videos"]
)
def test_what_is_not_whole_is_not_pushed(recorded, server, tmp_path, missing):
    root = shutil.copytree(recorded, tmp_path / "broken")
    if (root / missing).is_dir():
        shutil.rmtree(root / missing)
    else:
        (root / missing).unlink()
    with pytest.raises((FileNotFoundError, ValueError), match="what is not whole is not pushed: ") as raised:
        push(root, server)
    assert "\n" not in str(raised.value)
    assert not server.requests


@pytest.mark.parametrize("token", ["hf_other", ""])
def test_login(recorded, server, tmp_path, monkeypatch, token):
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(PermissionError, match=r"lab/cubes may not be written \(HTTP 401\): set HF_TOKEN"):
        push(recorded, server)
    assert not server.commits


def test_login_is_checked_before_the_work(monkeypatch):
    monkeypatch.setattr(hub_push.huggingface_hub, "get_token", lambda: None)
    with pytest.raises(PermissionError, match="lab/cubes needs a token that may write: set HF_TOKEN"):
        hub_push.check_login(REPO)
    with pytest.raises(ValueError, match="give OWNER/NAME"):
        hub_push.check_login("cubes")


def test_no_network(recorded, server, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ConnectionError, match="pushing to lab/cubes: .*check the network and run it again") as raised:
        push(recorded, server)
    assert "\n" not in str(raised.value)
