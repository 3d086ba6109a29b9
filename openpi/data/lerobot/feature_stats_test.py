import numpy as np
import pytest

from openpi.data.lerobot import feature_stats


def test_values_match_numpy():
    values = np.random.default_rng(0).normal(size=(101, 3)).astype(np.float32)
    stats = feature_stats.of_values(values)
    np.testing.assert_allclose(stats["mean"], values.astype(np.float64).mean(0))
    np.testing.assert_allclose(stats["std"], values.astype(np.float64).std(0))
    np.testing.assert_array_equal(stats["min"], values.min(0))
    np.testing.assert_allclose(stats["q10"], np.quantile(values.astype(np.float64), 0.1, axis=0))
    assert stats["count"].tolist() == [101]


@pytest.mark.parametrize("dtype", [np.int64, np.bool_])
def test_extremes_keep_the_type_and_scalars_become_lists(dtype):
    stats = feature_stats.to_lists(feature_stats.of_values(np.array([0, 1, 1], dtype)))
    assert stats["min"] == [dtype(0).item()] and type(stats["min"][0]) is type(dtype(0).item())
    assert stats["mean"] == [pytest.approx(2 / 3)] and stats["count"] == [3]


def test_pixels_match_numpy_channel_by_channel():
    images = np.random.default_rng(0).integers(0, 200, (5, 20, 30, 3), np.uint8)
    images[..., 1] //= 3
    halves = [feature_stats.PixelHistogram(), feature_stats.PixelHistogram()]
    for i, image in enumerate(images):
        halves[i % 2].add(image)
    halves[0].merge(halves[1])
    stats = halves[0].stats()
    levels = images.reshape(-1, 3) / 255.0
    for name, expected in {
        "min": levels.min(0),
        "max": levels.max(0),
        "mean": levels.mean(0),
        "std": levels.std(0),
    }.items():
        assert stats[name].shape == (3, 1, 1)
        np.testing.assert_allclose(stats[name].ravel(), expected, err_msg=name)
    for name, q in feature_stats.QUANTILES.items():
        expected = np.quantile(levels, q, axis=0, method="inverted_cdf")
        np.testing.assert_allclose(stats[name].ravel(), expected, err_msg=name)
    assert stats["count"].tolist() == [5]


def test_large_images_are_thinned_out():
    histogram = feature_stats.PixelHistogram()
    histogram.add(np.zeros((480, 640, 3), np.uint8))
    assert 100 * 100 < histogram._counts[0].sum() < 200 * 200


@pytest.mark.parametrize("shape", [(), (3,), (2, 2)])
def test_parts_merged_are_the_whole_but_for_the_quantiles(shape):
    rng = np.random.default_rng(0)
    parts = [rng.normal(loc, 1 + loc, size=(length, *shape)) for loc, length in ((0, 40), (2, 10), (1, 1))]
    merged, whole = (
        feature_stats.merge([feature_stats.of_values(part) for part in parts]),
        feature_stats.of_values(np.concatenate(parts)),
    )
    assert merged.keys() == whole.keys()
    for name in ("min", "max", "mean", "std", "count"):
        np.testing.assert_allclose(merged[name], whole[name], rtol=1e-12, err_msg=name)
    for name in feature_stats.QUANTILES:
        assert merged[name].shape == whole[name].shape
        expected = np.average([feature_stats.of_values(part)[name] for part in parts], axis=0, weights=[40, 10, 1])
        np.testing.assert_allclose(merged[name], expected)
