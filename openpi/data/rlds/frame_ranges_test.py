import json

import numpy as np
import pytest

from openpi.data.rlds import droid, frame_ranges, index_build, recording, tfds_info


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """Episodes of 4, 6 and 5 steps; the second failed."""
    root = tmp_path_factory.mktemp("data")
    episodes = [recording.droid_episode(i, n, success=i != 1) for i, n in enumerate((4, 6, 5))]
    info = tfds_info.load(recording.write(root / "droid/1.0.1", episodes))
    return index_build.open_or_build(info, droid.LAYOUT, root / "cache")


def key(number, outcome="success"):
    folder = f"/data/{outcome}/day/{number}"
    return f"{folder}/recordings/MP4--{folder}/trajectory.h5"


@pytest.mark.parametrize(
    ("ranges", "only_success", "expected"),
    [
        (None, False, list(range(15))),
        (None, True, [0, 1, 2, 3, 10, 11, 12, 13, 14]),
        ({key(0): [[1, 3]], key(2): [[0, 2], [4, 99]]}, True, [1, 2, 10, 11, 14]),
        ({key(1, "failure"): [[0, 2]], key(2): [[1, 4], [2, 3]]}, False, [4, 5, 11, 12, 13]),
        ({key(1, "failure"): [[0, 2]]}, True, []),
        ({key(0): [[3, 3], [50, 10**15]], "another": [[0, 2]]}, True, []),
    ],
)
def test_rows_to_train_on(index, ranges, only_success, expected):
    rows = frame_ranges.usable_rows(index, ranges=ranges, only_success=only_success)
    assert rows.dtype == np.int64 and rows.tolist() == expected


def test_success_is_told_by_the_path_of_the_file(tmp_path):
    episodes = [{**recording.droid_episode(i, 3)} for i in range(2)]
    episodes[0]["episode_metadata/recording_folderpath"] = ["/data/failure/0"]
    episodes[1]["episode_metadata/file_path"] = ["/data/failure/1/trajectory.h5"]
    info = tfds_info.load(recording.write(tmp_path / "droid/1.0.1", episodes))
    index = index_build.open_or_build(info, droid.LAYOUT, tmp_path / "cache")
    assert frame_ranges.usable_rows(index, ranges=None, only_success=True).tolist() == [0, 1, 2]


def test_keys_are_those_of_the_published_file(index):
    assert [frame_ranges.episode_key(metadata) for metadata in index.metadata] == [key(0), key(1, "failure"), key(2)]


def test_a_file_is_read(tmp_path):
    (tmp_path / "ranges.json").write_text(json.dumps({"a--b": [[0, 5], [7, 9]], "c--d": []}))
    assert frame_ranges.load(tmp_path / "ranges.json") == {"a--b": [[0, 5], [7, 9]], "c--d": []}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("[]", "holds a list, no object"),
        ('{"a": 3}', r"episode 'a' has ranges 3, expected \[\[start, end\], ...\]"),
        ('{"a": [[1, 2, 3]]}', r"episode 'a' has ranges \[\[1, 2, 3\]\]"),
        ('{"a": [[1.5, 2]]}', "episode 'a'"),
        ('{"a": [[-1, 2]]}', "episode 'a'"),
        ('{"a": [[true, 2]]}', "episode 'a'"),
    ],
)
def test_what_is_no_file_of_ranges_is_named(tmp_path, content, message):
    (tmp_path / "ranges.json").write_text(content)
    with pytest.raises(ValueError, match=f"ranges.json.*{message}"):
        frame_ranges.load(tmp_path / "ranges.json")


def test_a_missing_or_huge_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file of frame ranges at .*: correct the filter"):
        frame_ranges.load(tmp_path / "ranges.json")
    with (tmp_path / "ranges.json").open("wb") as file:
        file.truncate(1 << 40)  # sparse
    with pytest.raises(ValueError, match="has 1099511627776 bytes, more than"):
        frame_ranges.load(tmp_path / "ranges.json")
