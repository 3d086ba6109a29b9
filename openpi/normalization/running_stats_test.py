import pathlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from openpi.normalization import running_stats

_GOLDEN = np.load(pathlib.Path(__file__).parent / "testdata" / "running_stats.npz")
_CASES = sorted({name.split("/")[0] for name in _GOLDEN.files})
_REFUSED = {"one_row": "at least 2 samples", "width_mismatch": "3 dims, the batches before had 2"}


def _feed(case):
    stats = running_stats.RunningStats()
    batches = sum(name.startswith(f"{case}/batch") for name in _GOLDEN.files)
    for index in range(batches):
        stats.update(_GOLDEN[f"{case}/batch{index}"])
    return stats


@pytest.mark.parametrize("case", [case for case in _CASES if case not in _REFUSED])
def test_golden(case):
    stats = _feed(case)
    result = {**vars(stats.get_statistics()), "min": stats.minimum, "max": stats.maximum}
    for field, value in result.items():
        np.testing.assert_array_equal(value, _GOLDEN[f"{case}/{field}"], strict=True, err_msg=field)


@pytest.mark.parametrize(("case", "message"), _REFUSED.items())
def test_golden_refusals(case, message):
    with pytest.raises(ValueError, match=message):
        _feed(case).get_statistics()


@pytest.mark.parametrize("shape", [(), (0, 3), (4, 0)])
def test_empty_batches_are_refused(shape):
    with pytest.raises(ValueError, match="need samples"):
        running_stats.RunningStats().update(np.zeros(shape))


@settings(deadline=None)
@given(
    batches=st.lists(hnp.arrays(np.float64, (7, 2), elements=st.floats(-100, 100)), min_size=1, max_size=4),
)
def test_agrees_with_all_samples_at_once(batches):
    stats = running_stats.RunningStats()
    for batch in batches:
        before = batch.copy()
        stats.update(batch)
        np.testing.assert_array_equal(batch, before)
    samples = np.concatenate(batches)
    result = stats.get_statistics()
    np.testing.assert_allclose(result.mean, samples.mean(axis=0), atol=1e-9)
    np.testing.assert_allclose(result.std, samples.std(axis=0), atol=1e-4)
    assert stats.count == len(samples)
    assert (result.q01 <= result.q99).all()
    assert (result.q99 <= samples.max(axis=0)).all()


def test_quantiles_of_many_samples():
    samples = np.random.default_rng(0).normal(size=(50_000, 2))
    stats = running_stats.RunningStats()
    for batch in np.split(samples, 50):
        stats.update(batch)
    result = stats.get_statistics()
    np.testing.assert_allclose(result.q01, np.quantile(samples, 0.01, axis=0), atol=0.03)
    np.testing.assert_allclose(result.q99, np.quantile(samples, 0.99, axis=0), atol=0.03)
