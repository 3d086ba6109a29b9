import pathlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openpi.checkpoints.assets import relative_path


@pytest.mark.parametrize("path", ["a", "a/b", "ä b/π.txt", "...", "a/.b", "x" * 255])
def test_good(path):
    assert relative_path.check(path, "it") == path


@pytest.mark.parametrize(
    "path", ["", "/", "/a", "a/", "a//b", "..", "a/../b", ".", "a\\b", "a\0b", "a\nb", "x" * 256, "π" * 128]
)
def test_refused(path):
    with pytest.raises(ValueError, match="^it "):
        relative_path.check(path, "it")


@given(st.text(st.sampled_from("ab./\\ \n")))
def test_stays_below(path):
    try:
        relative_path.check(path, "it")
    except ValueError:
        return
    root = pathlib.PurePosixPath("/root")
    assert (root / path).relative_to(root) == pathlib.PurePosixPath(path)
    assert ".." not in (root / path).parts
