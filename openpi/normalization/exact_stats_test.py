import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from openpi.normalization import exact_stats


def blocks_of(values, size):
    return lambda: ((0, {key: array[i : i + size] for key, array in values.items()}) for i in range(0, 40, size))


@settings(deadline=None, max_examples=25)
@given(
    actions=hnp.arrays(np.float32, (40, 3, 2), elements=st.floats(-1e6, 1e6, width=32)),
    size=st.sampled_from([7, 40]),
)
def test_equals_numpy(actions, size):
    state = actions[:, 0].astype(np.float64) + 0.1
    found = exact_stats.measure(blocks_of({"state": state, "actions": actions}, size))
    assert list(found) == ["state", "actions"]
    for key, samples in (("state", state), ("actions", actions.reshape(-1, 2).astype(np.float64))):
        entry, ordered = found[key], np.sort(samples, axis=0)
        n = len(samples)
        assert entry.count == n
        scale = np.abs(samples).max() + 1e-300
        np.testing.assert_allclose(entry.mean / scale, samples.mean(0) / scale, atol=1e-14)
        np.testing.assert_allclose(entry.std / scale, samples.std(0) / scale, atol=1e-7)
        np.testing.assert_array_equal(entry.q01, ordered[-(-n // 100) - 1])
        np.testing.assert_array_equal(entry.q99, ordered[-(-n * 99 // 100) - 1])
        np.testing.assert_array_equal((entry.minimum, entry.maximum), (ordered[0], ordered[-1]))


def test_parts_weigh_as_said():
    rng = np.random.default_rng(0)
    parts = [rng.normal(0, 1, (300, 1)), rng.normal(10, 2, (50, 1))]
    found = exact_stats.measure(lambda: ((part, {"state": values}) for part, values in enumerate(parts)), [1, 3])[
        "state"
    ]
    drawn = np.concatenate([parts[0], np.repeat(parts[1], 18, axis=0)])  # 1 : 3
    np.testing.assert_allclose(found.mean, drawn.mean(0))
    np.testing.assert_allclose(found.std, drawn.std(0))
    np.testing.assert_array_equal(found.q01, np.sort(drawn, 0)[11])
    np.testing.assert_array_equal(found.q99, np.sort(drawn, 0)[1187])
    assert found.count == 350


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0, 0.0], "must be positive"),
        ([1.0, np.nan], "must be positive"),
        ([1.0, np.inf], "must be positive"),
        ([1.0, 1.0], "'state' has no samples in part 1"),
    ],
)
def test_impossible_mixtures(weights, message):
    with pytest.raises(ValueError, match=message):
        exact_stats.measure(lambda: iter([(0, {"state": np.ones((3, 1))})]), weights)


def test_quantiles_are_of_one_in_a_hundred_to_the_sample():
    values = np.arange(1010.0)[:, None]
    found = exact_stats.measure(lambda: iter([(0, {"state": values})]))["state"]
    # 11 of 1010 samples are the first more than 1 %, and 1000 are the first of at least 99 %.
    assert (found.q01[0], found.q99[0]) == (10.0, 999.0)
