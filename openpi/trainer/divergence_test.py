import math

import pytest

from openpi.trainer import divergence

LAG = 3


def detector(**policy):
    return divergence.Detector(divergence.Policy(**policy), lag=LAG)


def judged(detector, steps):
    """What is said of steps, each (loss, grad_norm)."""
    told = []
    for step, (loss, norm) in enumerate(steps):
        told.append(detector.judge(step, {"loss": loss, "grad_norm": norm}, detector.limits(step)))
    return told


@pytest.mark.parametrize(
    ("step", "want"),
    [
        ((1.0, 2.0), ""),
        ((math.nan, 2.0), "loss is nan"),
        ((math.inf, math.nan), "loss is inf"),
        ((1.0, -math.inf), "grad_norm is -inf"),
        ((1e30, 1e30), ""),
    ],
)
def test_what_is_not_finite_is_bad(step, want):
    found = detector()
    assert judged(found, [step]) == [want]
    assert found.too_many == bool(want)
    assert found.recent == []


def test_an_explosion_is_measured_by_the_median():
    calm = [(1.0 + 0.01 * i, 2.0) for i in range(40)]
    found = detector(factor=5.0)
    assert judged(found, [*calm, (5.9, 2.0), (6.3, 2.0)])[-2:] == [
        "",
        "loss is 6.3, above 5.95, the limit by its median",
    ]
    found = detector(factor=5.0)
    assert judged(found, [*calm, (1.0, 10.5)])[-1] == "grad_norm is 10.5, above 10, the limit by its median"


def test_the_first_steps_have_no_measure():
    assert judged(detector(factor=2.0), [(10.0**i, 10.0**i) for i in range(16)]) == [""] * 16


def test_bad_steps_do_not_count_as_usual():
    found = detector(factor=3.0, skip=True, max_skips=100)
    told = judged(found, [*[(1.0, 1.0)] * 20, *[(50.0, 1.0)] * 90])
    assert all(told[20:]) and not any(told[:20])


def test_a_few_bad_steps_in_a_row_are_skipped():
    found = detector(skip=True, max_skips=2)
    told = []
    for step, loss in enumerate([1.0, math.nan, math.nan, 1.0, math.nan, math.nan, math.nan]):
        found.judge(step, {"loss": loss, "grad_norm": 1.0}, found.limits(step))
        told.append((found.skips, found.too_many))
    assert told == [(0, False), (1, False), (2, False), (0, False), (1, False), (2, False), (3, True)]


@pytest.mark.parametrize("stopped_at", [5, 17, 40, 70, 90])
def test_limits_do_not_depend_on_where_a_run_was_resumed(stopped_at):
    """Nor on how many of the last steps are known already: the lag is the same."""
    steps = [{"loss": 1.0 + math.sin(i) ** 2, "grad_norm": 2.0 + math.cos(i)} for i in range(100)]
    unbroken = detector(factor=2.0)
    limits = []
    for step in range(100):
        limits.append(unbroken.limits(step))
        if step >= LAG - 1:  # the loop looks at a step when the next but one has begun
            seen = step - LAG + 1
            unbroken.judge(seen, steps[seen], limits[seen])
    before = detector(factor=2.0)
    for step in range(stopped_at):  # all of them are known when a checkpoint is made
        before.judge(step, steps[step], limits[step])
    resumed = divergence.Detector(before.policy, lag=LAG, recent=before.recent, skips=before.skips)
    for step in range(stopped_at, 100):
        assert resumed.limits(step) == limits[step]
        resumed.judge(step, steps[step], limits[step])
