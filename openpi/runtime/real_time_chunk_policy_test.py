import concurrent.futures

import numpy as np
import pytest

from openpi.client import base_policy
from openpi.runtime import real_time_chunk_policy

H = 8


class _Server(base_policy.BasePolicy):
    """Answers the observation of step t with [t, t + 1, ...] and the number of its chunk; notes what it was asked."""

    def __init__(self, fails=()):
        self.fails, self.asked = set(fails), []

    def infer(self, obs):
        number = len(self.asked)
        self.asked.append(obs)
        if number in self.fails:
            raise ConnectionError("gone")
        return {"actions": np.stack([obs["t"] + np.arange(H), np.full(H, number)], axis=1)}

    def reset(self):
        pass


class _Answer(concurrent.futures.Future):
    """Is there at a step of its own; whoever waits for it has it at once."""

    def __init__(self, due, now):
        super().__init__()
        self._due, self._now = due, now

    def done(self):
        return self._now() >= self._due


class _Robot(concurrent.futures.Executor):
    """Steps that are counted, and requests that take so many of them, each its own number."""

    def __init__(self, *delays, fails=(), **options):
        self.delays, self.step, self.server = list(delays), 0, _Server(fails)
        self.policy = real_time_chunk_policy.RealTimeChunkPolicy(self.server, executor=self, **options)

    def submit(self, function, *arguments):
        answer = _Answer(self.step + (self.delays.pop(0) if self.delays else 1), lambda: self.step)
        try:
            answer.set_result(function(*arguments))
        except ConnectionError as error:
            answer.set_exception(error)
        return answer

    def play(self, steps):
        """The actions of the next steps, [steps, (step, chunk)]."""
        played = []
        for _ in range(steps):
            action = self.policy.infer({"t": self.step, "openpi": {"num_steps": 5}})["actions"]
            self.step += 1
            played.append(action)
        return np.array(played)

    def rtc(self):
        """What each request asked to go on from."""
        return [obs["openpi"].get("rtc") for obs in self.server.asked]


def test_a_request_tells_what_is_left_of_the_running_chunk():
    robot = _Robot(0, 2, replan_steps=3, first_delay=2, options={"beta": 4})
    played = robot.play(6)
    np.testing.assert_array_equal(played[:, 0], np.arange(6))
    np.testing.assert_array_equal(played[:, 1], [0, 0, 0, 0, 0, 1])  # asked at 3, there at 5
    first, second = robot.rtc()
    assert first is None
    np.testing.assert_array_equal(second["remainder"][:, 0], np.arange(3, 8))  # the step of the observation first
    assert (second["delay"], second["horizon"], second["beta"]) == (2, 3, 4)
    assert all(obs["openpi"]["num_steps"] == 5 for obs in robot.server.asked)
    assert robot.policy.late_steps == 0


def test_the_expected_delay_is_a_high_quantile_of_the_last_answers():
    robot = _Robot(0, 2, 1, 3, 1, 1, 1, 1, replan_steps=4, window=3, quantile=1.0, first_delay=1)
    robot.play(40)
    asked = [rtc["delay"] for rtc in robot.rtc()[1:9]]
    assert asked == [1, 2, 2, 3, 3, 3, 1, 1]
    assert robot.policy.late_steps == (2 - 1) + (3 - 2)
    median = _Robot(0, 2, 1, 3, 1, 1, replan_steps=4, window=3, quantile=0.5)
    median.play(30)
    assert [rtc["delay"] for rtc in median.rtc()[1:7]] == [1, 2, 2, 2, 1, 1]


def test_an_answer_is_spliced_at_the_step_that_is_current_when_it_comes():
    robot = _Robot(0, 4, replan_steps=2, first_delay=1)
    played = robot.play(8)
    np.testing.assert_array_equal(played[:, 0], np.arange(8))
    np.testing.assert_array_equal(played[:6, 1], [0, 0, 0, 0, 0, 0])  # asked at 2, expected at 3, there at 6
    assert played[6, 1] == 1
    assert robot.policy.late_steps == 3
    assert robot.policy.delay == 4


def test_a_chunk_that_runs_out_is_expected_to_run_out_and_its_successor_is_free():
    robot = _Robot(0, 100, replan_steps=H, first_delay=3)
    played = robot.play(H + 1)
    np.testing.assert_array_equal(played[:, 0], np.arange(H + 1))
    assert robot.rtc() == [None, None]  # nothing was left at step 8
    slow = _Robot(0, 100, replan_steps=6, first_delay=3)
    slow.play(H + 1)
    assert [rtc and rtc["delay"] for rtc in slow.rtc()] == [None, 2]  # no more than is left
    assert slow.policy.waited_steps == 2
    assert slow.policy.delay == 3  # two steps and a pause


def test_a_failure_is_raised_once_and_the_next_step_goes_on_from_the_old_chunk():
    robot = _Robot(0, 1, 1, replan_steps=2, fails=[1])
    robot.play(3)
    with pytest.raises(ConnectionError, match="gone"):
        robot.policy.infer({"t": 3})
    robot.step += 1
    played = robot.play(2)
    np.testing.assert_array_equal(played, [[4, 0], [5, 2]])
    np.testing.assert_array_equal(robot.rtc()[2]["remainder"][:, 0], np.arange(4, 8))


def test_a_new_episode_starts_free_and_remembers_the_delays():
    robot = _Robot(0, 3, replan_steps=3)
    robot.play(7)
    robot.policy.reset()
    assert (robot.policy.delay, robot.policy.late_steps, robot.policy.waited_steps) == (3, 0, 0)
    robot.step = 0
    robot.play(1)
    assert robot.rtc()[-1] is None


def test_a_thread_does_the_asking_if_nothing_else_is_given():
    server = _Server()
    policy = real_time_chunk_policy.RealTimeChunkPolicy(server, 2)
    for step in range(6):
        np.testing.assert_array_equal(policy.infer({"t": step})["actions"][0], step)
        if policy._pending is not None:
            policy._pending.exception(timeout=10)
    policy.close()
    assert [("openpi" in obs) for obs in server.asked] == [False, True, True]
    assert policy.delay == 1


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"replan_steps": 0}, "replan_steps=0"),
        ({"replan_steps": 1, "first_delay": -1}, "first_delay=-1"),
        ({"replan_steps": 1, "window": 0}, "window=0"),
        ({"replan_steps": 1, "quantile": 1.5}, "quantile=1.5"),
    ],
)
def test_bad_arguments_are_named(arguments, text):
    with pytest.raises(ValueError, match=text):
        real_time_chunk_policy.RealTimeChunkPolicy(_Server(), **arguments)
