import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openpi.checkpoints.assets import cache, manifest

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\\"), min_size=1, max_size=8).filter(
    lambda name: name.isprintable() and name not in (".", "..")
)
RECORDS = st.builds(
    manifest.Record, size=st.integers(0, 1 << 60), checksum=st.none() | st.text(), version=st.none() | st.text()
)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


def make(key, *files, url="gs://b/a"):
    return manifest.Manifest(url=url, key=key, files={file: manifest.Record(size=3) for file in files})


@given(st.dictionaries(NAMES, RECORDS, min_size=1, max_size=4))
def test_round_trip(root, files):
    saved = manifest.Manifest(url="gs://b/a", key="b/a", files={f"b/a/{name}": files[name] for name in files})
    manifest.save(root, saved)
    assert manifest.load(root, "b/a") == saved


def test_missing(tmp_path):
    assert manifest.load(tmp_path, "b/a") is None
    assert list(manifest.covering(tmp_path, "b/a")) == list(manifest.within(tmp_path, "b/a")) == []


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"key": "b/other"},
        {"files": {}},
        {"files": []},
        {"files": {"b/other/x": {"size": 1}}},  # not its own
        {"files": {"b/a/../../etc": {"size": 1}}},
        {"files": {"b/a/x": {"size": -1}}},
        {"files": {"b/a/x": {"size": "1"}}},
        {"files": {"b/a/x": {"size": 1, "checksum": 5}}},
        {"files": {"b/a/x": {"size": 1, "more": 5}}},
        {"files": {"b/a/x": 1}},
        {"fetched": "yesterday"},
        {"fetched": None},
    ],
    ids=str,
)
def test_damaged_is_none(tmp_path, change):
    manifest.save(tmp_path, make("b/a", "b/a/x"))
    assert manifest.load(tmp_path, "b/a")
    path = cache.manifest_path(tmp_path, "b/a")
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert manifest.load(tmp_path, "b/a") is None


@pytest.mark.parametrize("text", [b"", b"{", b"null", b"[]", b"\xff", b"[" * 100_000])
def test_garbage_is_none(tmp_path, text):
    path = cache.manifest_path(tmp_path, "b/a")
    path.parent.mkdir(parents=True)
    path.write_bytes(text)
    assert manifest.load(tmp_path, "b/a") is None


def test_above_and_within(tmp_path):
    for each in (make("b/a", "b/a/x/1", "b/a/y"), make("b/a/x", "b/a/x/1"), make("b/ab", "b/ab/1")):
        manifest.save(tmp_path, each)
    assert [each.key for each in manifest.covering(tmp_path, "b/a/x/1")] == ["b/a/x", "b/a"]
    assert [each.key for each in manifest.within(tmp_path, "b/a")] == ["b/a/x"]
    assert {each.key for each in manifest.within(tmp_path, "b")} == {"b/a", "b/a/x", "b/ab"}
    whole = manifest.load(tmp_path, "b/a")
    assert set(whole.records_of("b/a/x")) == {"b/a/x/1"}
    assert set(whole.records_of("b/a/y")) == {"b/a/y"}
    assert whole.records_of("b/a/z") == {}
    manifest.remove(tmp_path, whole)
    manifest.remove(tmp_path, whole)
    assert manifest.load(tmp_path, "b/a") is None
