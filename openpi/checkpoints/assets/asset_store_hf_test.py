"""hf:// through the real huggingface_hub, against a hub on this machine."""

import random

import pytest

from openpi.checkpoints.assets import asset_store, limits
from openpi.checkpoints.assets.fake_hub import FakeHub
from openpi.checkpoints.assets.faulty_server import Fault, FaultyServer

BIG = random.Random(0).randbytes(300_000)
FILES = {
    "/owner/repo/config.json": b"{}",
    "/owner/repo/weights/model.safetensors": BIG,
    "/owner/repo/weights/index.json": b"[]",
    "/datasets/owner/data/meta/info.json": b"{}",
}
QUICK = limits.Limits(stall_s=2.0, backoff_s=0.01, max_backoff_s=0.02, attempts=3)


@pytest.fixture
def home(tmp_path, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "OPENPI_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("OPENPI_DATA_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def storage():
    with FaultyServer(dict(FILES)) as storage:
        yield storage


@pytest.fixture
def hub(storage, monkeypatch):
    with FakeHub(dict(FILES), storage) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub


def fetch(url, **kwargs):
    return asset_store.fetch(url, limits=QUICK, **kwargs)


def test_repository_folder_and_file(home, hub, storage):
    path = fetch("hf://owner/repo/weights/model.safetensors")
    assert path == home / "hf/owner/repo@main/weights/model.safetensors"
    assert path.read_bytes() == BIG
    folder = fetch("hf://owner/repo")
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert files == {
        name.removeprefix("/owner/repo/"): content for name, content in FILES.items() if name.startswith("/owner/")
    }
    assert storage.sent["/owner/repo/weights/model.safetensors"] == len(BIG)
    assert fetch("hf://owner/repo@main/weights", offline=True).is_dir()
    assert fetch("hf://owner/repo@refs/pr/1/config.json") == home / "hf/owner/repo@refs%2Fpr%2F1/config.json"
    assert fetch("hf://datasets/owner/data") == home / "hf/datasets/owner/data@main"


def test_the_token_stays_at_the_hub(home, hub, storage):
    fetch("hf://owner/repo")
    assert set(hub.logins) == {"Bearer hf_secret"}
    assert set(storage.logins) == {None}


def test_recovers(home, hub, storage):
    hub.faults["api"] = [Fault(status=503)]
    hub.faults["/owner/repo/config.json"] = [Fault(corrupt=True)]
    storage.faults["/owner/repo/weights/model.safetensors"] = [Fault(drop_after=200_000), Fault(status=500)]
    folder = fetch("hf://owner/repo")
    assert (folder / "weights/model.safetensors").read_bytes() == BIG
    assert (folder / "config.json").read_bytes() == b"{}"
    assert storage.sent["/owner/repo/weights/model.safetensors"] == len(BIG)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("hf://owner/none", "does not exist or is private.*HF_TOKEN"),
        ("hf://owner/repo/none", "has no such path or revision"),
        ("hf://owner/repo@none", "has no such path or revision"),
    ],
)
def test_missing(home, hub, url, message):
    with pytest.raises(FileNotFoundError, match=message) as raised:
        fetch(url)
    assert url in str(raised.value)


def test_gated(home, hub):
    hub.gated = True
    with pytest.raises(PermissionError, match="accept the terms"):
        fetch("hf://owner/repo")


@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "OPENPI_OFFLINE"])
def test_offline(home, hub, monkeypatch, variable):
    path = fetch("hf://owner/repo/config.json")
    monkeypatch.setenv(variable, "1")
    requests = len(hub.requests)
    assert fetch("hf://owner/repo/config.json") == path
    with pytest.raises(FileNotFoundError, match="is needed and this is offline"):
        fetch("hf://owner/repo")
    assert len(hub.requests) == requests
