import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from openpi.data.lerobot import chunks


def slow(column, row, offsets, start, stop):
    """(values, which are padding), frame by frame."""
    rows = [row + int(offset) for offset in offsets]
    inside = [min(range(start, stop), key=lambda r: abs(r - wanted)) for wanted in rows]
    return column[inside], [wanted not in range(start, stop) for wanted in rows]


@hypothesis.given(
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=5),
    offsets=st.lists(st.integers(-40, 40), min_size=1, max_size=8)
    | st.builds(lambda first, n: list(range(first, first + n)), st.integers(-9, 3), st.integers(1, 12)),
    data=st.data(),
)
def test_chunks_stay_inside_the_episode(lengths, offsets, data):
    stops = np.cumsum(lengths)
    rows = np.array(data.draw(st.lists(st.integers(0, int(stops[-1]) - 1), min_size=1, max_size=9)))
    episode = np.searchsorted(stops, rows, side="right")
    start, stop = stops[episode] - np.array(lengths)[episode], stops[episode]
    column = np.random.default_rng(0).normal(size=(stops[-1], 2))
    of = chunks.Offsets("x", [offset / 10 for offset in offsets], 10)
    many, many_pad = of.take_many(column, rows, start, stop)
    assert many.flags.writeable and not np.shares_memory(many, column)
    for i, row in enumerate(rows.tolist()):
        values, is_pad = slow(column, row, offsets, int(start[i]), int(stop[i]))
        one, one_pad = of.take(column, row, int(start[i]), int(stop[i]))
        assert not np.shares_memory(one, column)
        found, found_pad = of.rows(row, int(start[i]), int(stop[i]))
        for got in (one, many[i], column[found]):
            np.testing.assert_array_equal(got, values)
        for pad in (one_pad, many_pad[i], found_pad):
            assert pad.dtype == np.bool_ and pad.tolist() == is_pad


@pytest.mark.parametrize("times", [[], [0.05], [float("nan")], [float("inf")], [[0.0]], [0.1002]])
def test_what_is_no_multiple_of_the_period_is_named(times):
    with pytest.raises(ValueError, match=r"delta_timestamps of 'action' must be multiples of 1/10 s, and are \["):
        chunks.Offsets("action", times, 10)


def test_what_no_episode_reaches_is_named():
    with pytest.raises(ValueError, match="delta_timestamps of 'action' go up to 1e\\+12 s"):
        chunks.Offsets("action", [1e12], 10)


def test_times_within_the_tolerance_are_taken():
    assert chunks.Offsets("x", [0.10005, -0.1], 10).values.tolist() == [1, -1]
