import pytest

from openpi.server import rate_limit


@pytest.mark.parametrize(("rate", "burst"), [(0.5, 1), (1, 1), (10, 10), (2.5, 2)])
def test_a_burst_and_then_the_rate(rate, burst):
    limit = rate_limit.RateLimit(rate, now=100.0)
    assert [limit.take(100.0) for _ in range(burst + 1)] == [True] * burst + [False]
    assert limit.take(100.0 + 1.01 / rate)
    assert not limit.take(100.0 + 1.02 / rate) or burst == 2  # 2.5: half a token was left of the burst


def test_a_pause_fills_no_more_than_the_burst():
    limit = rate_limit.RateLimit(3, now=0.0)
    assert [limit.take(1000.0) for _ in range(4)] == [True, True, True, False]


def test_in_the_long_run_the_rate_is_kept():
    limit = rate_limit.RateLimit(20, now=0.0)
    taken = sum(limit.take(i / 100) for i in range(1000))  # 10 seconds, 100 attempts each
    assert 20 * 10 <= taken <= 20 * 10 + 20


def test_the_real_clock_is_taken():
    limit = rate_limit.RateLimit(1)
    assert limit.take()
    assert not limit.take()
