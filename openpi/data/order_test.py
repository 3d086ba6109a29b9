import collections
import math

import hypothesis
import pytest
from hypothesis import strategies as st

from openpi.data import order


@hypothesis.given(st.integers(1, 400), st.integers(0, 2**31), st.integers(1, 4))
@hypothesis.settings(max_examples=20, deadline=None)
def test_every_epoch_has_each_row_once(length, seed, epochs):
    sequence = order.Order([length], seed=seed)
    rows = [sequence[position] for position in range(epochs * length)]
    for epoch in range(epochs):
        assert sorted(rows[epoch * length : (epoch + 1) * length]) == [(0, row) for row in range(length)]


@hypothesis.given(
    st.lists(st.tuples(st.integers(60, 90), st.floats(1e-3, 1e3)), min_size=1, max_size=5), st.integers(0, 2**31)
)
@hypothesis.settings(max_examples=25, deadline=None)
def test_a_mixture_keeps_its_weights_at_every_moment_and_each_dataset_its_epochs(datasets, seed):
    lengths, weights = zip(*datasets, strict=True)
    sequence = order.Order(lengths, weights, seed=seed)
    seen = [[] for _ in lengths]
    for position in range(200):
        number, row = sequence[position]
        seen[number].append(row)
        for part, weight in enumerate(weights):
            assert abs(len(seen[part]) - (position + 1) * weight / math.fsum(weights)) <= len(weights)
    for length, rows in zip(lengths, seen, strict=True):
        whole = len(rows) // length * length
        assert set(collections.Counter(rows[:whole]).values()) <= {whole // length}


def test_proportions_do_not_drift():
    sequence = order.Order([3000] * 3, [0.1, 0.2, 0.7], seed=0)
    start = 10**12  # far into training
    counts = collections.Counter(sequence[start + n][0] for n in range(10_000))
    assert [counts[part] for part in range(3)] == pytest.approx([1000, 2000, 7000], abs=3)


def test_seeds_and_datasets_have_orders_of_their_own():
    rows = lambda sequence, part: [row for number, row in map(sequence.__getitem__, range(60)) if number == part]
    one, other = order.Order([30, 30], [1, 1], seed=0), order.Order([30, 30], [1, 1], seed=1)
    assert len({tuple(rows(sequence, part)) for sequence in (one, other) for part in range(2)}) == 4


def test_without_shuffle_the_datasets_rows_in_order():
    sequence = order.Order([3, 2], [3, 1], seed=0, shuffle=False)
    picked = [sequence[position] for position in range(8)]
    assert [row for number, row in picked if number == 0] == [0, 1, 2, 0, 1, 2]
    assert [row for number, row in picked if number == 1] == [0, 1]


def test_the_order_is_the_same_in_every_version():
    # A checkpoint keeps a position in it: with another order, a resumed run would repeat some samples and skip others.
    one, two = order.Order([5], seed=42), order.Order([5, 3], [0.7, 0.3], seed=42)
    assert [one[position] for position in range(10)] == [(0, row) for row in (1, 3, 4, 2, 0, 4, 1, 3, 0, 2)]
    numbers, rows = zip(*(two[position] for position in range(10)), strict=True)
    assert numbers == (0, 1, 0, 0, 1, 0, 0, 0, 1, 0)
    assert rows == (0, 1, 4, 2, 2, 3, 1, 0, 0, 2)


@pytest.mark.parametrize("weight", [0, -1.0, math.nan, math.inf, True, "1"])
def test_a_weight_must_be_positive_and_finite(weight):
    with pytest.raises(ValueError, match="a weight is .*must be a positive number"):
        order.Order([3, 3], [1.0, weight], seed=0)


@pytest.mark.parametrize(("lengths", "weights"), [([], []), ([3, 0], [1, 1]), ([3], [1, 1])])
def test_every_dataset_has_rows_and_a_weight(lengths, weights):
    with pytest.raises(ValueError, match="each needs rows and one"):
        order.Order(lengths, weights, seed=0)
