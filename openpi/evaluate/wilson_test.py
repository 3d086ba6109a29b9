import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from openpi.evaluate import wilson


@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_equals_scipy(counts):
    successes, trials = counts
    expected = stats.binomtest(successes, trials).proportion_ci(method="wilson")
    assert wilson.interval(successes, trials) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (3, 2), (-1, 5)])
def test_counts_that_cannot_be(successes, trials):
    with pytest.raises(ValueError, match="trials"):
        wilson.interval(successes, trials)
