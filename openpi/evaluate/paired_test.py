import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openpi.evaluate import paired

_counts = st.tuples(*[st.integers(0, 60)] * 4).filter(any)


def test_counts_pairs():
    kinds = [(True, True)] * 4 + [(True, False)] * 3 + [(False, True)] * 2 + [(False, False)]
    pairs = paired.count(kinds)
    assert pairs == paired.Pairs(both=4, first=3, second=2, neither=1)
    assert pairs.rates == (0.7, 0.6)
    assert pairs.difference == pytest.approx(0.1)


@pytest.mark.parametrize("counts", [(0, 0, 0, 0), (1, -1, 0, 0)])
def test_no_pairs(counts):
    with pytest.raises(ValueError, match="at least one pair"):
        paired.Pairs(*counts)


@given(_counts)
def test_p_value_is_the_share_of_coin_throws_that_are_no_likelier(counts):
    pairs = paired.Pairs(*counts)
    throws, heads = pairs.first + pairs.second, pairs.first
    chances = [math.comb(throws, k) for k in range(throws + 1)]
    expected = sum(chance for chance in chances if chance <= chances[heads]) / 2**throws
    assert paired.p_value(pairs) == pytest.approx(expected)


def test_p_value_of_a_textbook_table():
    # Newcombe 1998, 36 both, 12 and 2 one only.
    assert paired.p_value(paired.Pairs(36, 12, 2, 0)) == pytest.approx(2 * (1 + 14 + 91) / 2**14)


def test_interval_of_a_textbook_table():
    low, high = paired.interval(paired.Pairs(36, 12, 2, 0))
    assert (low, high) == pytest.approx((0.0569, 0.3404), abs=5e-5)


@given(_counts)
def test_interval_turns_with_the_policies_and_holds_the_difference(counts):
    pairs = paired.Pairs(*counts)
    low, high = paired.interval(pairs)
    assert -1 <= low <= pairs.difference <= high <= 1
    assert low < high
    turned = paired.interval(paired.Pairs(pairs.both, pairs.second, pairs.first, pairs.neither))
    assert turned == pytest.approx((-high, -low))


@pytest.mark.parametrize("chances", [(0.5, 0.2, 0.1, 0.2), (0.8, 0.1, 0.1, 0.0), (0.25, 0.25, 0.25, 0.25)])
def test_interval_covers_the_true_difference_19_times_in_20(chances):
    """All tables of 14 pairs, each with its chance."""
    count, truth, covered = 14, chances[1] - chances[2], 0.0
    for table in itertools.product(range(count + 1), repeat=3):
        if sum(table) > count:
            continue
        pairs = paired.Pairs(*table, count - sum(table))
        low, high = paired.interval(pairs)
        cells = (pairs.both, pairs.first, pairs.second, pairs.neither)
        ways = math.factorial(count) // math.prod(map(math.factorial, cells))
        covered += (low <= truth <= high) * ways * math.prod(p**n for p, n in zip(chances, cells, strict=True))
    assert 0.93 < covered < 0.999
