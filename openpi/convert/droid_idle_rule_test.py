import itertools

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from openpi.convert import droid_idle_rule


def slow_ranges(velocity):
    """The rule step by step, in plain Python."""
    idle = [False]
    for before, now in itertools.pairwise(velocity):
        idle.append(all(abs(float(b) - float(a)) < 1e-3 for a, b in zip(before, now)))
    kept = []
    for is_idle, run in itertools.groupby(idle[: len(velocity)]):
        length = len(list(run))
        kept += [not (is_idle and length >= 7)] * length
    found, start = [], 0
    for is_kept, run in itertools.groupby(kept):
        length = len(list(run))
        if is_kept and length >= 16:
            found.append([start, start + length - 10])
        start += length
    return found


def velocities(moves):
    """[T, 2]: the second joint changes by 1 where `moves` is True; the first never does."""
    return np.stack([np.zeros(len(moves)), np.cumsum(moves)], axis=1).astype(np.float32)


_RUNS = st.lists(st.tuples(st.booleans(), st.integers(1, 30)), max_size=8)


@given(runs=_RUNS)
@example(runs=[])
def test_the_same_as_step_by_step(runs):
    moves = [moving for moving, length in runs for _ in range(length)]
    velocity = velocities(moves)
    assert droid_idle_rule.ranges(velocity) == slow_ranges(velocity)


@given(
    changes=st.lists(
        st.sampled_from([0.0, 1e-3, np.nextafter(np.float32(1e-3), np.float32(0)).item(), -1e-3, 0.5]), max_size=80
    )
)
def test_changes_about_the_bound(changes):
    velocity = np.cumsum(np.array(changes, np.float32))[:, None] * np.ones((1, 7), np.float32)
    assert droid_idle_rule.ranges(velocity) == slow_ranges(velocity)


@pytest.mark.parametrize(
    ("moves", "expected"),
    [
        ([True] * 16, [[0, 6]]),
        ([True] * 15, []),
        ([False] * 40, []),  # the first step is not idle, but alone
        ([True] * 10 + [False] * 6 + [True] * 10, [[0, 16]]),  # a short pause
        ([True] * 20 + [False] * 7 + [True] * 15, [[0, 10]]),
        ([True] * 20 + [False] * 7 + [True] * 16, [[0, 10], [27, 33]]),
        ([False] * 8 + [True] * 20, [[8, 18]]),
    ],
)
def test_ranges(moves, expected):
    assert droid_idle_rule.ranges(velocities(moves)) == expected
