import dataclasses

import numpy as np

from openpi.normalization import measured


def entry(mean, std, q01, q99):
    arrays = [np.array(values, np.float64) for values in (mean, std, q01, q99)]
    return measured.Measured(100, arrays[0], arrays[1], arrays[2] - 1, arrays[3] + 1, arrays[2], arrays[3])


def test_dims_that_hardly_vary_are_not_scaled():
    # a constant, a joint that moves, one that trembles, one that jumps once in a while
    given = entry([5, 0, 3, 0.1], [0, 0.5, 1e-4, 0.1], [5, -1, 2.999, 0], [5, 1, 3.001, 0])
    stats = given.with_min_std(1e-2)
    np.testing.assert_array_equal(stats.mean, given.mean)
    np.testing.assert_array_equal(stats.std, [1, 0.5, 1, 0.1])
    np.testing.assert_allclose(stats.q01, [4, -1, 2, -0.9])
    np.testing.assert_allclose(stats.q99, [6, 1, 4, 1.1])


def test_as_it_is_without():
    given = entry([5, 0], [0, 0.5], [5, -1], [5, 1])
    for stats in (given.with_min_std(0.0), given.as_norm_stats()):
        for field in dataclasses.fields(stats):
            np.testing.assert_array_equal(getattr(stats, field.name), getattr(given, field.name))


def test_of_quantiles_half_their_distance_is_what_varies():
    stats = entry([0, 0], [1, 1], [-0.0099, -0.0101], [0.0099, 0.0101]).with_min_std(1e-2)
    np.testing.assert_array_equal(stats.q01, [-1, -0.0101])
    np.testing.assert_array_equal(stats.q99, [1, 0.0101])
