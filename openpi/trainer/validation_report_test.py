import json
import math

import numpy as np
import pytest
import scipy.stats

from openpi.trainer import validation_report


def test_an_interval_follows_from_how_episodes_differ():
    episode = np.repeat([0, 1, 2], [5, 2, 3])
    values = np.concatenate([np.full(5, 1.0), [1.0, 3.0], np.full(3, 6.0)])
    means = [1.0, 2.0, 6.0]
    found = validation_report.estimate(values, episode)
    expected = scipy.stats.t.interval(0.95, 2, loc=np.mean(means), scale=scipy.stats.sem(means))
    np.testing.assert_allclose(found, [3.0, *expected])
    # What is NaN does not count, and an episode of it neither.
    assert validation_report.estimate(np.append(values, [np.nan] * 2), np.append(episode, [2, 3])) == found


def test_the_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(2000):
        episode = np.repeat(np.arange(5), 4)
        values = 0.3 + rng.normal(size=5)[episode] + 0.5 * rng.normal(size=20)
        found = validation_report.estimate(values, episode)
        covered += found.low <= 0.3 <= found.high
    assert 0.935 <= covered / 2000 <= 0.965


def test_one_episode_tells_no_interval():
    mean, low, high = validation_report.estimate(np.array([1.0, 3.0]), np.array([4, 4]))
    assert mean == 2.0 and math.isnan(low) and math.isnan(high)
    assert math.isnan(validation_report.estimate(np.array([np.nan]), np.array([0])).mean)


def compare(predicted, recorded, valid=None):
    count = len(recorded)
    return validation_report.make(
        np.arange(count, dtype=float),
        predicted,
        recorded,
        np.ones(recorded.shape[:2], bool) if valid is None else valid,
        np.arange(count) // 2,
        ("arm", "hand"),
    )


def test_errors_are_in_the_robots_units_and_overall_relative():
    recorded = np.random.default_rng(0).normal(size=(40, 3, 2)) * [1.0, 100.0]
    report = compare(recorded + [0.5, -10.0], recorded)
    assert report.joints["arm"].mean == pytest.approx(0.5)
    assert report.joints["hand"].mean == pytest.approx(10.0)
    np.testing.assert_allclose(report.table, [[0.5, 10.0]] * 3)
    std = recorded.reshape(-1, 2).std(axis=0)
    assert report.relative_error.mean == pytest.approx(np.mean([0.5, 10.0] / std))
    assert report.loss.mean == pytest.approx(19.5)
    always_the_mean = compare(np.broadcast_to(recorded.mean(axis=(0, 1)), recorded.shape), recorded)
    assert always_the_mean.relative_error.mean == pytest.approx(0.8, abs=0.05)


def test_errors_grow_along_the_chunk():
    recorded = np.random.default_rng(0).normal(size=(8, 4, 2))
    report = compare(recorded + np.arange(4)[:, None], recorded)
    steps = [step.mean for step in report.steps]
    assert steps[0] == 0 and np.all(np.diff(steps) > 0.5)


def test_what_stands_still_and_what_lies_behind_the_end_does_not_count():
    recorded = np.random.default_rng(0).normal(size=(4, 3, 2))
    recorded[..., 1] = 7.0
    valid = np.ones((4, 3), bool)
    valid[:, 2] = False
    predicted = recorded + [0.0, 1.0]
    predicted[:, 2] = 1e9
    report = compare(predicted, recorded, valid)
    assert report.relative_error.mean == 0.0
    assert report.joints["hand"].mean == pytest.approx(1.0)
    assert math.isnan(report.steps[2].mean)
    content = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert content["steps"][2] == {"mean": None, "low": None, "high": None}
    assert content["table"][1] == [0.0, pytest.approx(1.0)] and content["table"][2] == [None, None]


def test_metrics_by_name():
    recorded = np.random.default_rng(0).normal(size=(4, 3, 2))
    assert sorted(compare(recorded, recorded).metrics()) == [
        "error/arm",
        "error/hand",
        "loss",
        "loss_high",
        "loss_low",
        "relative_error",
        "relative_error_high",
        "relative_error_low",
    ]
