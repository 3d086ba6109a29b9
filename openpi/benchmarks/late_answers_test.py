import numpy as np
import pytest

from openpi.benchmarks import late_answers
from openpi.client import base_policy

H = 6


class _Line:
    """Goes where it is told, for some steps."""

    def __init__(self, steps):
        self.steps, self.went = steps, []

    def reset(self):
        self.went = []

    def is_episode_complete(self):
        return len(self.went) >= self.steps

    def get_observation(self):
        return {"step": len(self.went)}

    def apply_action(self, action):
        assert not self.is_episode_complete()
        self.went.append(float(action["actions"][0]))

    def success(self):
        return True

    def close(self):
        pass


class _Steps(base_policy.BasePolicy):
    """Plans to be at the number of each step; notes what it was asked."""

    def __init__(self):
        self.asked = []

    def infer(self, obs):
        self.asked.append(obs)
        return {"actions": (obs["step"] + np.arange(H, dtype=float))[:, None]}

    def reset(self):
        self.asked = []


def _play(way, delay, steps=9, replan_steps=3):
    line, policy = _Line(steps), _Steps()
    world = late_answers.World(line, delay)
    trace = world.play(late_answers.WAYS[way](policy, world, replan_steps))
    np.testing.assert_array_equal(np.array(trace.actions)[:, 0], line.went)
    assert {len(trace.chunks), len(trace.held), len(trace.planned)} == {steps}
    return line.went, trace, policy


def test_a_synchronous_robot_stands_still_for_its_answers_but_the_first():
    went, trace, policy = _play("synchronous", 2)
    # The answer to the observation of step 3 comes at step 5, and is played from its start.
    assert went == [0, 1, 2, 2, 2, 3, 4, 5, 5]
    assert trace.held == [False] * 3 + [True] * 2 + [False] * 3 + [True]
    assert trace.chunks == [1, 1, 1, 1, 1, 2, 2, 2, 2]
    assert trace.planned == [None] * 9  # what comes behind a pause was not planned for then
    assert [obs["step"] for obs in policy.asked] == [0, 3, 8]
    assert _play("synchronous", 0)[0] == list(range(9))


@pytest.mark.parametrize("way", [way for way in late_answers.WAYS if way != "synchronous"])
@pytest.mark.parametrize("delay", [1, 2, 3])
def test_the_others_play_on_and_splice_at_the_step_that_is_current(way, delay):
    went, trace, policy = _play(way, delay)
    np.testing.assert_allclose(went, range(9))
    assert not any(trace.held)
    assert [obs["step"] for obs in policy.asked] == [0, 3, 6]
    assert trace.chunks == [1] * (3 + delay) + [2] * 3 + [3] * (3 - delay)
    at = [step for step, planned in enumerate(trace.planned) if planned is not None]
    assert at == ([3 + delay, 6 + delay] if delay < 3 else [])  # at 6 a chunk of 6 has ended
    assert [trace.planned[step][0] for step in at] == at


def test_a_robot_whose_chunk_runs_out_stands_still():
    went, trace, _ = _play("switching", 5)
    assert trace.held == [False] * 6 + [True] * 2 + [False]  # asked at 3, there at 8
    assert went == [0, 1, 2, 3, 4, 5, 5, 5, 6]


def test_real_time_chunking_expects_the_delay():
    _, _, policy = _play("real-time chunking", 2)
    assert [obs.get("openpi", {}).get("rtc", {}).get("delay") for obs in policy.asked] == [None, 2, 2]
    identity = _play("real-time, identity", 2)[2].asked[1]["openpi"]["rtc"]
    assert (identity["method"], len(identity["remainder"])) == ("identity", 3)


def test_episodes_begin_anew():
    line = _Line(5)
    world = late_answers.World(line, 2)
    policy = late_answers.WAYS["switching"](_Steps(), world, 3)
    assert world.play(policy).actions == world.play(policy).actions
