import math
import time

import pytest

from openpi.runtime import pace


class _Clock:
    """Time that passes only while somebody sleeps, plus `overshoot` each time."""

    def __init__(self, overshoot=0.0):
        self.now, self.overshoot = 100.0, overshoot

    def perf_counter(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds + self.overshoot


@pytest.fixture
def clock(monkeypatch):
    clock = _Clock()
    monkeypatch.setattr(pace, "time", clock)
    return clock


def _starts(clock, steps, max_hz=50):
    """When steps of these durations begin, and how steady they were."""
    paced = pace.Pace(max_hz)
    starts = []
    for seconds in steps:
        paced.wait()
        starts.append(round(clock.now - 100, 6))
        clock.now += seconds
    return starts, paced.report()


def test_steps_are_a_period_apart(clock):
    starts, report = _starts(clock, [0.005, 0.015, 0.0, 0.019, 0.0])
    assert starts == [0.0, 0.02, 0.04, 0.06, 0.08]
    assert (report.steps, report.late) == (5, 0)
    assert report.period == pytest.approx(0.02)
    assert report.jitter_max == pytest.approx(0, abs=1e-9)


def test_waking_up_late_does_not_add_up(clock):
    clock.overshoot = 0.001
    starts, report = _starts(clock, [0.0] * 101)
    assert starts[-1] == pytest.approx(2.001)
    assert report.late == 0


def test_a_long_step_is_late_once_and_not_made_up_for(clock):
    starts, report = _starts(clock, [0.0, 0.07, 0.0, 0.0])
    assert starts == [0.0, 0.02, 0.09, 0.11]
    assert report.late == 1
    assert report.jitter_max == pytest.approx(0.05)
    assert report.jitter_p50 == pytest.approx(0, abs=1e-9)


def test_without_a_rate_nothing_waits(clock):
    starts, report = _starts(clock, [0.01, 0.01, 0.03, 0.01], max_hz=0)
    assert starts == [0.0, 0.01, 0.02, 0.05]
    assert report.late == 0
    assert report.jitter_max == pytest.approx(0.02)


def test_few_steps_have_no_period():
    paced = pace.Pace(1000)
    assert paced.report().steps == 0
    paced.wait()
    assert paced.report().steps == 1
    assert math.isnan(paced.report().period)
    paced.wait()
    paced.restart()
    assert paced.report().steps == 0
    assert "0 steps" in str(paced.report())


def test_real_time():
    paced = pace.Pace(100)
    start = time.perf_counter()
    for _ in range(11):
        paced.wait()
    assert time.perf_counter() - start >= 0.1
    assert "11 steps at" in str(paced.report())


@pytest.mark.parametrize("max_hz", [-1, math.inf, math.nan])
def test_bad_rates_are_named(max_hz):
    with pytest.raises(ValueError, match=f"max_hz={max_hz}"):
        pace.Pace(max_hz)
