import logging
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openpi.client import base_policy
from openpi.runtime import (
    emergency_stop,
    environment,
    policy_agent,
    runtime,
    safe_environment,
    safety_limits,
)

_JOINTS = (
    safety_limits.Joint("turn", -1.0, 1.0, max_speed=2.0),  # 0.2 a step
    safety_limits.Joint("lift", -1.0, 1.0, max_speed=1.0, velocity_step=0.5),  # a velocity of 0.2 is 0.1 a step
)
_LIMITS = safety_limits.Limits(_JOINTS, hz=10, max_age=0.5)


class _Robot(environment.Environment):
    """Goes at once where it is sent; its second joint takes velocities. Notes all that it is told."""

    def __init__(self):
        self.joints, self.told, self.resets = np.zeros(2), [], 0

    def reset(self):
        self.joints = np.zeros(2)
        self.resets += 1

    def is_episode_complete(self):
        return len(self.told) >= 50

    def get_observation(self):
        return {"state": self.joints.copy()}

    def apply_action(self, action):
        self.told.append(action["actions"])
        self.joints = np.array([action["actions"][0], self.joints[1] + 0.5 * action["actions"][1]])


class _Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def _guard(**options):
    robot, stop, clock = _Robot(), emergency_stop.EmergencyStop(), _Clock()
    guarded = safe_environment.SafeEnvironment(
        robot, _LIMITS, stop=stop, clock=clock, **{"measure": lambda observation: observation["state"], **options}
    )
    return guarded, robot, stop, clock


def _step(guarded, actions):
    guarded.get_observation()
    guarded.apply_action({"actions": np.array(actions), "more": 1})


@given(st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)), max_size=20))
def test_whatever_is_asked_the_robot_stays_within_its_limits(asked):
    guarded, robot, _, _ = _guard()
    guarded.reset()
    for actions in asked:
        before = robot.joints
        _step(guarded, actions)
        assert (np.abs(robot.joints) <= 1 + 1e-9).all()
        assert (np.abs(robot.joints - before) <= np.array([0.2, 0.1]) + 1e-9).all()


@given(st.floats(-0.2, 0.2), st.floats(-0.2, 0.2))
def test_what_is_within_them_passes_to_the_last_bit(position, velocity):
    guarded, robot, _, _ = _guard()
    _step(guarded, [position, velocity])
    np.testing.assert_array_equal(robot.told, [[position, velocity]])
    assert guarded.report() == "nothing"


def test_speed_is_that_of_commands_even_if_the_robot_lags_behind():
    guarded, robot, _, _ = _guard(measure=lambda observation: np.zeros(2))
    for _ in range(3):
        _step(guarded, [1.0, 0.0])
    np.testing.assert_allclose(robot.told, [[0.2, 0], [0.4, 0], [0.6, 0]])


def test_interventions_are_counted_each_and_told_once_while_they_last(caplog):
    guarded, _, _, _ = _guard()
    with caplog.at_level(logging.WARNING):
        for actions in ([0.9, 0.0], [0.9, 0.0], [0.5, 0.0], [-0.9, -5.0]):
            _step(guarded, actions)
    assert guarded.interventions == {("turn", "speed"): 3, ("lift", "position"): 1, ("lift", "speed"): 1}
    assert guarded.report() == "turn speed ×3, lift position ×1, lift speed ×1"
    assert [message.split(":")[1].strip() for message in caplog.messages] == ["turn", "turn", "lift", "lift"]


@pytest.mark.parametrize(
    ("actions", "text"),
    [
        (np.array([0.0, math.nan]), "the policy's actions are not finite: lift"),
        (np.array([math.inf, 0.0]), "the policy's actions are not finite: turn"),
        (np.zeros(3), r"the policy's actions must be 2 numbers, not float64 \[3\]"),
        (np.zeros((1, 2)), r"not float64 \[1, 2\]"),
        (np.array(["a", "b"]), r"not <U1 \[2\]"),
        (None, r"not object \[\]"),
    ],
)
def test_what_is_no_command_stops_the_robot_where_it_is(actions, text):
    guarded, robot, stop, _ = _guard()
    _step(guarded, [0.1, 0.2])
    guarded.get_observation()
    with pytest.raises(emergency_stop.Stopped, match=text):
        guarded.apply_action({"actions": actions})
    np.testing.assert_array_equal(robot.told[1:], [[0.1, 0.0]])
    assert stop.reason


def test_an_action_that_is_too_old_is_not_carried_out():
    guarded, robot, _, clock = _guard()
    guarded.get_observation()
    clock.now += 0.5
    guarded.apply_action({"actions": np.array([0.1, 0.2])})
    guarded.get_observation()
    clock.now += 0.51
    with pytest.raises(emergency_stop.Stopped, match=r"answers what was seen 0\.51 s ago, and may be 0\.5 s old"):
        guarded.apply_action({"actions": np.array([0.2, 0.2])})
    np.testing.assert_array_equal(robot.told, [[0.1, 0.2], [0.1, 0.0]])


def test_joints_that_cannot_be_read_stop_the_robot():
    readings = iter([np.zeros(2), np.array([0.0, math.nan])])
    guarded, robot, _, _ = _guard(measure=lambda observation: next(readings))
    _step(guarded, [0.1, 0.1])
    with pytest.raises(emergency_stop.Stopped, match="the robot's joints are not finite: lift"):
        guarded.get_observation()
    np.testing.assert_array_equal(robot.told[-1], [0.1, 0.0])


def test_a_stopped_robot_is_moved_neither_by_steps_nor_by_a_reset():
    guarded, robot, stop, _ = _guard()
    guarded.reset()
    _step(guarded, [0.1, 0.1])
    guarded.get_observation()
    stop.trip("a person came near")
    for _ in range(2):
        with pytest.raises(emergency_stop.Stopped, match="a person came near"):
            guarded.apply_action({"actions": np.array([0.2, 0.2])})
        with pytest.raises(emergency_stop.Stopped, match="a person came near"):
            guarded.get_observation()
        guarded.reset()
    np.testing.assert_array_equal(robot.told[1:], [[0.1, 0.0]] * 4)
    assert robot.resets == 1


def test_a_stop_before_anything_was_measured_sends_nothing():
    guarded, robot, stop, _ = _guard()
    stop.trip("not now")
    with pytest.raises(emergency_stop.Stopped, match="not now"):
        guarded.get_observation()
    assert robot.told == []


@pytest.mark.parametrize("stops", [True, False])
def test_the_runtime_ends_and_goes_home_only_if_it_was_not_stopped(stops):
    guarded, robot, stop, _ = _guard()

    class _Policy(base_policy.BasePolicy):
        def infer(self, obs):
            if stops and len(robot.told) == 3:
                stop.trip("key e was pressed")
            return {"actions": np.array([0.1, 0.0])}

    loop = runtime.Runtime(guarded, policy_agent.PolicyAgent(_Policy()), max_episode_steps=9, num_episodes=2)
    if stops:
        with pytest.raises(emergency_stop.Stopped, match="key e was pressed; the robot holds its position"):
            loop.run()
    else:
        loop.run()
    assert (len(robot.told), robot.resets) == ((4, 1) if stops else (20, 3))
