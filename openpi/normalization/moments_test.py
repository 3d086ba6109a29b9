import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from openpi.normalization import moments

_NUMBERS = st.floats(-1e6, 1e6)


@settings(deadline=None)
@given(blocks=st.lists(hnp.arrays(np.float64, st.tuples(st.just(2), st.integers(1, 6)), elements=_NUMBERS), min_size=1))
def test_blocks_are_as_one(blocks):
    found = moments.Moments(1, 2)
    for block in blocks:
        before = block.copy()
        found.update(0, block)
        np.testing.assert_array_equal(block, before)
    samples = np.concatenate(blocks, axis=1)
    summary = found.combined([3.0])
    assert found.counts.tolist() == [samples.shape[1]]
    scale = np.abs(samples).max() + 1e-300
    np.testing.assert_allclose(summary.mean / scale, samples.mean(axis=1) / scale, atol=1e-14)
    np.testing.assert_allclose(summary.std / scale, samples.std(axis=1) / scale, atol=1e-7)
    np.testing.assert_array_equal(summary.minimum, samples.min(axis=1))
    np.testing.assert_array_equal(summary.maximum, samples.max(axis=1))


def test_a_small_variance_far_from_zero_survives():
    rng = np.random.default_rng(0)
    samples = 1e6 + 1e-3 * rng.normal(size=(1, 100_000))
    found = moments.Moments(1, 1)
    for block in np.split(samples, 100, axis=1):
        found.update(0, block)
    np.testing.assert_allclose(found.combined([1.0]).std, samples.std(axis=1), rtol=1e-6)


def test_a_part_counts_by_its_weight_and_not_by_its_size():
    rng = np.random.default_rng(1)
    small, large = rng.normal(5, 1, size=(2, 10)), rng.normal(-3, 4, size=(2, 700))
    found = moments.Moments(2, 2)
    found.update(1, large)
    found.update(0, small[:, :4])
    found.update(0, small[:, 4:])
    summary = found.combined([3, 1])
    drawn = np.concatenate([np.repeat(small, 3 * 70, axis=1), large], axis=1)  # 3 : 1
    np.testing.assert_allclose(summary.mean, drawn.mean(axis=1))
    np.testing.assert_allclose(summary.std, drawn.std(axis=1))
