import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openpi.runtime import safety_limits

_HZ = 10.0
_REACH = 2.0


def _tip(joints):
    """Two links of 1 m in a plane."""
    first, second = np.cumsum(joints)
    return np.array([np.cos(first) + np.cos(second), np.sin(first) + np.sin(second), 0.0])


_LIMITS = safety_limits.Limits(
    joints=(
        safety_limits.Joint("shoulder", -2.0, 2.5, max_speed=1.0),
        safety_limits.Joint("elbow", 0.1, 2.0, max_speed=3.0),
        safety_limits.Joint("gripper", 0.0, 1.0),
    ),
    hz=_HZ,
    max_age=0.5,
)
_BOXED = safety_limits.Limits(
    _LIMITS.joints,
    _HZ,
    0.5,
    (safety_limits.Workspace("tip", ("shoulder", "elbow"), _tip, (-_REACH, -0.5, -0.1), (_REACH, 1.5, 0.1)),),
)
_LOWER = np.array([joint.lower for joint in _LIMITS.joints])
_UPPER = np.array([joint.upper for joint in _LIMITS.joints])
_STEP = np.array([joint.max_speed for joint in _LIMITS.joints]) / _HZ

_ANY = st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3).map(np.array)
_INSIDE = st.lists(st.floats(0, 1), min_size=3, max_size=3).map(
    lambda fractions: _LOWER + np.array(fractions) * (_UPPER - _LOWER)
)


@given(here=_INSIDE, goal=_ANY, limits=st.sampled_from([_LIMITS, _BOXED]))
def test_what_is_sent_is_within_all_limits(here, goal, limits):
    allowed, interventions = safety_limits.constrain(limits, here, goal)
    assert (allowed >= _LOWER - 1e-12).all()
    assert (allowed <= _UPPER + 1e-12).all()
    assert (np.abs(allowed - here) <= _STEP * (1 + 1e-12)).all()
    assert (not interventions) == np.array_equal(allowed, goal)


@given(here=_ANY, goal=_ANY)
def test_a_joint_that_is_outside_comes_back_no_faster_than_it_may(here, goal):
    allowed, _ = safety_limits.constrain(_LIMITS, here, goal)
    assert (np.abs(allowed - here) <= _STEP + 1e-9).all()

    def outside(joints):
        return np.maximum(0, np.maximum(_LOWER - joints, joints - _UPPER))

    assert (outside(allowed) <= outside(here) + 1e-9).all()


@given(here=_INSIDE, fractions=st.lists(st.floats(-0.99, 0.99), min_size=3, max_size=3))
def test_what_is_within_the_limits_is_left_as_it_is(here, fractions):
    goal = np.clip(here + np.minimum(_STEP, 0.5) * fractions, _LOWER, _UPPER)
    allowed, interventions = safety_limits.constrain(_LIMITS, here, goal)
    np.testing.assert_array_equal(allowed, goal)
    assert interventions == []


@given(here=_INSIDE, goal=_ANY)
def test_a_point_comes_no_farther_from_its_box(here, goal):
    def outside(joints):
        tip, box = _tip(joints[:2]), _BOXED.workspaces[0]
        return np.linalg.norm(tip - np.clip(tip, box.lower, box.upper))

    allowed, interventions = safety_limits.constrain(_BOXED, here, goal)
    assert outside(allowed) <= outside(here) + 1e-12
    if any(each.limit == "workspace" for each in interventions):
        free, _ = safety_limits.constrain(_LIMITS, here, goal)
        assert outside(free) > outside(here)
        assert allowed[2] == free[2]  # the gripper is none of its joints


def test_a_movement_out_of_the_box_is_shortened_not_forbidden():
    here = np.array([0.70, 0.30, 0.0])  # 1.49 m high: the box ends at 1.5
    allowed, interventions = safety_limits.constrain(_BOXED, here, here + np.array([0.1, 0.0, 1.0]))
    assert 0 < allowed[0] - here[0] < 0.1
    assert _tip(allowed[:2])[1] <= 1.5
    assert allowed[2] == 1.0
    assert [(each.name, each.limit) for each in interventions] == [("tip", "workspace")]
    assert "is outside its box (-2.0, -0.5, -0.1) to (2.0, 1.5, 0.1)" in interventions[0].text


def test_interventions_name_joint_value_and_limit():
    allowed, interventions = safety_limits.constrain(_LIMITS, np.array([2.45, 1.0, 0.5]), np.array([9.0, 0.0, 0.5]))
    np.testing.assert_allclose(allowed, [2.5, 0.7, 0.5])
    assert [each.text for each in interventions] == [
        "shoulder: 9 is beyond its position limit 2.5; 2.5 is sent",
        "elbow: 0 is beyond its position limit 0.1; 0.1 is sent",
        "elbow: 0.1 is beyond its speed limit 3; 0.7 is sent",
    ]


def test_slower_for_the_first_time():
    slow = _LIMITS.at_speed(0.25)
    assert [joint.max_speed for joint in slow.joints] == [0.25, 0.75, math.inf]
    assert _LIMITS.at_speed(1) == _LIMITS
    with pytest.raises(ValueError, match=r"speed=1\.5 must be more than 0 and at most 1"):
        _LIMITS.at_speed(1.5)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: safety_limits.Joint("elbow", 1, 1), "joint 'elbow': lower=1 must be less than upper=1"),
        (lambda: safety_limits.Joint("elbow", math.nan, 1), "joint 'elbow': lower=nan"),
        (lambda: safety_limits.Joint("elbow", 0, 1, max_speed=0), "joint 'elbow': max_speed=0"),
        (lambda: safety_limits.Joint("elbow", 0, 1, velocity_step=-1), "joint 'elbow': velocity_step=-1"),
        (lambda: safety_limits.Limits(_LIMITS.joints, 0, 1), "hz=0"),
        (lambda: safety_limits.Limits(_LIMITS.joints, 1, math.nan), "max_age=nan"),
        (lambda: safety_limits.Limits(_LIMITS.joints * 2, 1, 1), "names of their own"),
        (lambda: safety_limits.Workspace("tip", (), _tip, (0, 0, 0), (1, 0, 1)), "workspace 'tip'"),
        (
            lambda: safety_limits.Limits(
                _LIMITS.joints, 1, 1, (safety_limits.Workspace("tip", ("wrist",), _tip, (0, 0, 0), (1, 1, 1)),)
            ),
            "workspace 'tip' names joint 'wrist'; there are: shoulder, elbow, gripper",
        ),
    ],
)
def test_limits_that_make_no_sense_are_refused(make, text):
    with pytest.raises(ValueError, match=text):
        make()
