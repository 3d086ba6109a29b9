import pytest

from openpi.checkpoints.assets import remote_file


def listing(*paths, size=1):
    return [remote_file.RemoteFile(path=path, url="http://x", size=size) for path in paths]


def test_good():
    remote_file.check_listing(listing("a", "b/c", "b/d", "b.c"), "it")
    remote_file.check_listing(listing("", size=None), "it")  # one file, of a size that will be seen


@pytest.mark.parametrize(
    ("files", "error", "message"),
    [
        (listing(), FileNotFoundError, "it holds no files"),
        (listing("a", "a"), ValueError, "it lists 'a' twice"),
        (listing("a", "a/b"), ValueError, "as a file and as a folder"),
        (listing("a/b/c", "a"), ValueError, "as a file and as a folder"),
        (listing("", "a"), ValueError, "no safe relative path"),
        (listing("../a"), ValueError, "no safe relative path"),
        (listing("/a"), ValueError, "no safe relative path"),
        (listing("a", size=-1), ValueError, "size -1"),
        (listing("a", size=None), ValueError, "size None"),
    ],
)
def test_refused(files, error, message):
    with pytest.raises(error, match=message):
        remote_file.check_listing(files, "it")
