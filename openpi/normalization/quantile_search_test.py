import fractions

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from openpi.normalization import quantile_search

_PROBABILITIES = tuple(fractions.Fraction(n, 100) for n in (1, 50, 99, 100))
_ANY = st.floats(allow_nan=False, allow_infinity=False)
_TIES = st.sampled_from([-1.0, -0.0, 0.0, 5e-324, 1.0, np.nextafter(1.0, 2), 1e300, -1e300])
_FLOAT32 = st.floats(width=32, allow_nan=False, allow_infinity=False)


def search(parts, weights, budget=1 << 20):
    """(result [Q, D], readings) for parts of samples [n, D], which are given in uneven blocks."""
    found = quantile_search.QuantileSearch(parts[0].shape[1], weights, _PROBABILITIES, budget=budget)
    readings, more = 0, True
    while more:
        for part, samples in enumerate(parts):
            for start, stop in ((0, 1), (1, len(samples))):
                if stop > start:
                    found.update(part, np.ascontiguousarray(samples[start:stop].T, np.float64))
        readings, more = readings + 1, found.next_reading()
    return found.result, readings


def expected(parts, weights):
    """By the definition: in order of value, the first sample at which the share reaches the probability."""
    total = sum(map(fractions.Fraction, weights))
    result = np.empty((len(_PROBABILITIES), parts[0].shape[1]))
    for dim in range(result.shape[1]):
        shares = sorted(
            (float(value), fractions.Fraction(weight) / total / len(samples))
            for samples, weight in zip(parts, weights, strict=True)
            for value in samples[:, dim]
        )
        for row, probability in enumerate(_PROBABILITIES):
            reached = fractions.Fraction(0)
            for value, share in shares:
                reached += share
                if reached >= probability:
                    result[row, dim] = value
                    break
    return result


@settings(deadline=None, max_examples=60)
@given(
    samples=st.one_of(
        *(hnp.arrays(np.float64, st.tuples(st.integers(1, 120), st.just(2)), elements=kind) for kind in (_ANY, _TIES)),
        hnp.arrays(np.float32, st.tuples(st.integers(1, 120), st.just(2)), elements=_FLOAT32),
    ),
    budget=st.sampled_from([0, 3, 1 << 20]),
)
def test_exact_for_any_numbers(samples, budget):
    result, readings = search([samples], [1.0], budget)
    np.testing.assert_array_equal(result, expected([samples], [1.0]))
    assert not np.signbit(result[result == 0]).any()
    assert readings <= 4


@settings(deadline=None, max_examples=30)
@given(
    parts=st.lists(
        hnp.arrays(np.float64, st.tuples(st.integers(1, 20), st.just(1)), elements=_TIES), min_size=2, max_size=3
    ),
    weights=st.lists(st.floats(0.01, 100), min_size=3, max_size=3),
    budget=st.sampled_from([0, 1 << 20]),
)
def test_exact_in_a_mixture(parts, weights, budget):
    weights = weights[: len(parts)]
    np.testing.assert_array_equal(search(parts, weights, budget)[0], expected(parts, weights))


@pytest.mark.parametrize("n", [99, 100, 101, 700, 25_000])
@pytest.mark.parametrize("budget", [0, 1 << 20])
def test_ranks(n, budget):
    """No rounding of q * n: of 700 samples the 1 % quantile is the 7th, not the 8th."""
    samples = np.random.default_rng(n).permutation(np.arange(1.0, n + 1))[:, None]
    result, _ = search([samples], [1.0], budget)
    assert result[:, 0].tolist() == [-(-n // 100), -(-n // 2), -(-n * 99 // 100), n]


def test_two_readings_are_enough_for_smooth_numbers_and_one_for_constants():
    rng = np.random.default_rng(0)
    smooth = rng.normal(size=(20_000, 3))
    assert search([smooth], [1.0])[1] == 2
    assert search([np.full((500, 2), 0.5)], [1.0])[1] == 1
