"""Checkpoints that are truncated, garbage or hostile: one clear line, no wrong number, no memory."""

import json
import pathlib
import shutil

import numpy as np
import pytest
import tensorstore as ts
from flax import traverse_util

from openpi.checkpoints import restore

GOLDEN = pathlib.Path(__file__).parent / "testdata" / "checkpoint_tiny_pi0"
FILES = sorted(str(path.relative_to(GOLDEN)) for path in (GOLDEN / "params").rglob("*") if path.is_file())
ZARRAY = "params.state_proj.kernel.value/.zarray"


@pytest.fixture(scope="module")
def whole():
    return traverse_util.flatten_dict(restore.restore_params(GOLDEN), sep="/")


@pytest.fixture
def checkpoint(tmp_path):
    root = tmp_path / "checkpoint"
    shutil.copytree(GOLDEN, root, copy_function=shutil.copyfile)
    return root


def error_of(checkpoint):
    """The error when it is restored, checked for form."""
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        restore.restore_params(checkpoint / "params")
    assert str(checkpoint) in str(error.value)
    assert "\n" not in str(error.value)
    return str(error.value)


def check_whole_or_error(checkpoint, whole):
    """Not every file of a store is needed to read it; but if it is read, the numbers are right."""
    try:
        params = restore.restore_params(checkpoint / "params")
    except (ValueError, FileNotFoundError):
        error_of(checkpoint)
    else:
        for path, array in traverse_util.flatten_dict(params, sep="/").items():
            np.testing.assert_array_equal(array, whole[path])


@pytest.mark.parametrize("name", FILES)
def test_truncated(checkpoint, whole, name):
    content = (GOLDEN / name).read_bytes()
    for length in sorted({0, 1, len(content) // 3, len(content) // 2, len(content) - 1}):
        (checkpoint / name).write_bytes(content[:length])
        check_whole_or_error(checkpoint, whole)


@pytest.mark.parametrize("name", ["_METADATA", "manifest.ocdbt", "d", "ocdbt.process_0"])
@pytest.mark.parametrize("how", ["lost", "loop", "truncated"])
def test_what_is_needed(checkpoint, name, how):
    path = checkpoint / "params" / name
    if how == "truncated":
        for file in [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]:
            file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    else:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    if how == "loop":
        path.symlink_to(path)
    assert "checkpoint" in error_of(checkpoint)


def test_a_loop_of_links(checkpoint):
    shutil.rmtree(checkpoint / "params")
    (checkpoint / "params").symlink_to(checkpoint / "params")
    assert "not a checkpoint" in error_of(checkpoint) or "no checkpoint" in error_of(checkpoint)


_LEAF = {"key_metadata": [{"key": "params", "key_type": 2}], "value_metadata": {"value_type": "jax.Array"}}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "does not describe a tree"),
        (b"{", "does not describe a tree"),
        (b"[]", "does not describe a tree"),
        (b"null", "does not describe a tree"),
        (b"{}", "does not describe a tree"),
        (b"\xff\xfe", "does not describe a tree"),
        (b"[" * 100_000, "does not describe a tree"),
        (b'{"tree_metadata": {"a": 3}}', "does not describe a tree"),
        (b'{"tree_metadata": {}}', "no 'params' entry"),
        (json.dumps({"tree_metadata": {"a": _LEAF}}).encode(), "does not exist"),
        (json.dumps({"tree_metadata": {"a": _LEAF | {"key_metadata": []}}}).encode(), "named ''"),
        (json.dumps({"tree_metadata": {"a": _LEAF | {"key_metadata": [{"key": "/etc"}]}}}).encode(), "named '/etc'"),
    ],
)
def test_garbage_description(checkpoint, content, said):
    (checkpoint / "params" / "_METADATA").write_bytes(content)
    assert said in error_of(checkpoint)


@pytest.mark.parametrize(
    ("claim", "said"),
    [
        ({"shape": [10**6, 10**6]}, "it claims 4,000,000,0"),
        ({"shape": [10**15, 10**15]}, "state_proj/kernel/value [1000000000000000, 1000000000000000]"),
        ({"shape": [10**7, 10**6], "chunks": [10**7, 10**6]}, "its files hold"),
        ({"chunks": [10**7, 10**6]}, "it claims 40,000,000,000,000 bytes"),
        ({"shape": [-4, 8]}, '"shape"'),
        ({"shape": [4, 8, 2]}, "length"),
        ({"shape": [400, 800]}, "missing"),
        ({"shape": [400, 800], "chunks": [400, 800]}, "Not enough data"),
        ({"shape": [4, 4], "chunks": [4, 4]}, "remaining length"),
        ({"dtype": "<f8"}, "Not enough data"),
        ({"dtype": "|O"}, "dtype"),
        ({"compressor": None}, "state_proj.kernel.value"),
    ],
)
def test_an_array_that_claims_what_it_is_not(checkpoint, claim, said):
    store = ts.KvStore.open({"driver": "ocdbt", "base": f"file://{checkpoint}/params/"}).result()
    description = json.loads(store.read(ZARRAY).result().value) | claim
    store.write(ZARRAY, json.dumps(description).encode()).result()
    assert said in error_of(checkpoint)
