import numpy as np
import pytest

from openpi.client import base_policy, robot_description, robot_observation
from openpi.config import robots
from openpi.robots.driving import first_answer

_UR5 = robots.ur5("pi0").to_dict()
_NAMES = tuple(_UR5["actions"])


class _Policy(base_policy.BasePolicy):
    def __init__(self, actions):
        self.actions, self.calls = actions, 0

    def infer(self, obs):
        self.calls += 1
        return {"actions": self.actions}


def _observation(**changes):
    example = robot_observation.make_example(robot_description.from_dict(_UR5), np.random.default_rng(0))
    return {**example, **changes}


def _check(policy, metadata, observation=None):
    first_answer.check(
        policy, metadata, _observation() if observation is None else observation, names=_NAMES, action_horizon=10
    )


@pytest.mark.parametrize("metadata", [{}, {"robot": _UR5}])
def test_a_policy_of_this_robot_is_asked_once(metadata):
    policy = _Policy(np.zeros((10, 7)))
    _check(policy, metadata)
    assert policy.calls == 1


@pytest.mark.parametrize(
    ("actions", "text"),
    [
        (np.zeros((10, 8)), r"actions are float64 \[10, 8\], and this robot takes \[steps, 7\] \(shoulder_pan, "),
        (np.zeros(7), r"float64 \[7\]"),
        (None, r"object \[\]"),
        (np.zeros((9, 7)), "chunks have 9 actions: lower --action_horizon=10"),
        (np.full((10, 7), np.nan), "not finite numbers"),
        (np.full((10, 7), "a"), "not finite numbers"),
    ],
)
def test_answers_that_this_robot_cannot_carry_out_are_refused(actions, text):
    with pytest.raises(ValueError, match=text):
        _check(_Policy(actions), {})


@pytest.mark.parametrize(
    ("metadata", "observation", "text"),
    [
        ({"robot": robots.droid("pi0").to_dict()}, _observation(), "is for a robot 'droid' of 8 actions"),
        ({"robot": {"name": "ur5"}}, _observation(), "robot"),
        ({"robot": _UR5}, _observation(joints=np.zeros(5)), "'joints' of a robot 'ur5' must have 6 numbers"),
    ],
)
def test_what_does_not_fit_the_servers_robot_is_not_even_sent(metadata, observation, text):
    policy = _Policy(np.zeros((10, 7)))
    with pytest.raises(ValueError, match=text):
        _check(policy, metadata, observation)
    assert policy.calls == 0
