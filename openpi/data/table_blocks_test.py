import numpy as np
import pytest

from openpi.data import table_blocks
from openpi.data.lerobot import reader, recording


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    root = recording.record(tmp_path_factory.mktemp("data") / "d", (40, 25, 60))
    return reader.LeRobotDataset(root, delta_timestamps={recording.ACTION: [0.0, 0.1, 0.2]})


def transform(tables):
    return {"state": tables[recording.STATE], "actions": tables[recording.ACTION], "index": tables["index"]}


def test_blocks_are_the_rows_in_their_order(dataset):
    rows = np.array([3, 100, 7, 7, 124])
    blocks = list(table_blocks.read(dataset, rows, transform, ("state", "actions"), block=2))
    assert [len(block["state"]) for block in blocks] == [2, 2, 1] and list(blocks[0]) == ["state", "actions"]
    together = {key: np.concatenate([block[key] for block in blocks]) for key in blocks[0]}
    for key, source in (("state", recording.STATE), ("actions", recording.ACTION)):
        np.testing.assert_array_equal(together[key], [dataset[int(row)][source] for row in rows])


@pytest.mark.parametrize(("num_rows", "most", "size"), [(5, None, 5), (5, 5, 5), (5, 9, 5), (1000, 30, 30)])
def test_choice(num_rows, most, size):
    rows = table_blocks.choose(num_rows, most)
    assert len(set(rows.tolist())) == size and (np.diff(rows) > 0).all() and rows.max() < num_rows
    np.testing.assert_array_equal(rows, table_blocks.choose(num_rows, most))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda out: {"action": out["actions"]}, r"give no 'state', only \['action'\]: correct config\.data\.repack"),
        (
            lambda out: out | {"state": out["state"][0]},
            r"'state' as float32\[3\] for \d+ frames; they must keep the axis",
        ),
        (lambda out: out | {"state": out["state"].astype(str)}, "'state' as <U32"),
        (lambda out: out | {"state": change_at(out, 77, np.nan)}, r"'state' of frame 77 \(episode 2\) holds a value"),
        (lambda out: out | {"state": change_at(out, 64, np.inf)}, r"'state' of frame 64 \(episode 1\) holds a value"),
        (lambda out: out | {"state": change_at(out, 65, -np.inf)}, r"'state' of frame 65 \(episode 2\) holds a value"),
    ],
)
def test_wrong_data_is_one_clear_line(dataset, change, message):
    with pytest.raises(ValueError, match=message) as caught:
        list(table_blocks.read(dataset, np.arange(125), lambda tables: change(transform(tables)), ("state",)))
    assert "\n" not in str(caught.value)


def change_at(out, index, value):
    state = out["state"].copy()
    state[out["index"] == index, 1] = value
    return state


def test_large_numbers_are_numbers(dataset):
    """Their sum is infinite, they are not."""
    huge = lambda tables: {"state": np.full((len(tables["index"]), 2), 1.5e308)}
    (block,) = table_blocks.read(dataset, np.arange(125), huge, ("state",))
    assert np.isfinite(block["state"]).all()
