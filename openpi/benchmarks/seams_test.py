import numpy as np
import pytest

from openpi.benchmarks import late_answers, seams


def _trace(numbers, chunks, held=None, planned=None):
    actions = [np.array([0.0, number]) for number in numbers]
    plans = [None if plan is None else np.array([0.0, plan]) for plan in planned or [None] * len(numbers)]
    return late_answers.Trace(actions, chunks, held or [False] * len(numbers), plans)


def test_a_jump_at_a_seam_is_told_from_steps_inside():
    found = seams.measure([_trace([0, 1, 2, 7, 8, 10], [1, 1, 1, 2, 2, 2])])
    jumps, bends = found["jumps"], found["bends"]
    assert (jumps["at_seams"], jumps["at_seams_max"], jumps["seams"]) == (5, 5, 1)
    assert jumps["inside"] == pytest.approx((1 + 1 + 1 + 2) / 4)
    assert jumps["ratio"] == pytest.approx(4)
    # Bends: 0 inside, 4 at the seam; the one behind it leans on the seam's jump and is neither; then 1 inside.
    assert (bends["at_seams"], bends["inside"]) == (4, pytest.approx(0.5))


def test_standing_still_bends_where_it_ends():
    found = seams.measure([_trace([0, 1, 1, 1, 2, 3], [1, 1, 1, 1, 2, 2], [False, False, True, True, False, False])])
    assert found["jumps"]["inside"] == 1
    assert found["bends"]["at_seams"] == 1


def test_traces_count_together_and_departures_are_from_the_plan():
    one = _trace([0, 1, 2], [1, 1, 2], planned=[None, None, 5])
    other = _trace([0, 1, 2], [1, 2, 2], planned=[None, 2, None])
    found = seams.measure([one, other])
    assert found["jumps"]["seams"] == 2
    assert found["departures"] == {"mean": 2, "max": 3}


def test_nothing_to_measure_is_none():
    found = seams.measure([_trace([1.0], [1])])
    assert found["jumps"]["ratio"] is None
    assert found["departures"] == {"mean": None, "max": None}
