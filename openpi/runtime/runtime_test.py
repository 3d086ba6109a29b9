import logging
import time

import numpy as np
import pytest

from openpi.client import action_chunk_broker, base_policy
from openpi.runtime import async_chunk_policy, environment, policy_agent, runtime, subscriber


class _Line(environment.Environment):
    """A point on a line that is at its goal at 10."""

    def __init__(self, events=None):
        self.events = [] if events is None else events
        self.position = None

    def reset(self):
        self.position = 0.0
        self.events.append("reset")

    def is_episode_complete(self):
        return self.position >= 10

    def get_observation(self):
        return {"state": np.array([self.position])}

    def apply_action(self, action):
        self.position += float(action["actions"][0])


class _Ahead(base_policy.BasePolicy):
    """Plans to go three steps ahead, each of `speed`; fails at call number `fails_at`."""

    def __init__(self, speed=1.0, fails_at=None, error=None):
        self.speed, self.fails_at, self.error = speed, fails_at, error
        self.calls, self.resets = 0, 0

    def infer(self, obs):
        assert obs["state"].shape == (1,)
        if self.calls == self.fails_at:
            raise self.error
        self.calls += 1
        return {"actions": np.full((3, 1), self.speed)}

    def reset(self):
        self.resets += 1


class _Notes(subscriber.Subscriber):
    def __init__(self, events):
        self.events = events

    def on_episode_start(self):
        self.events.append("start")

    def on_step(self, observation, action):
        self.events.append((float(observation["state"][0]), float(action["actions"][0])))

    def on_episode_end(self):
        self.events.append("end")


def _agent(policy):
    return policy_agent.PolicyAgent(action_chunk_broker.ActionChunkBroker(policy, 3))


def test_episodes_run_until_the_environment_is_done():
    events, policy = [], _Ahead(speed=4.0)
    runtime.Runtime(_Line(events), _agent(policy), [_Notes(events)], num_episodes=2).run()
    episode = ["reset", "start", (0.0, 4.0), (4.0, 4.0), (8.0, 4.0), "end"]
    assert events == [*episode, *episode, "reset"]
    assert policy.resets == 2
    assert policy.calls == 2  # one chunk of three steps each


@pytest.mark.parametrize(("max_episode_steps", "steps"), [(0, 10), (1, 2), (3, 4), (20, 10)])
def test_one_step_more_than_the_maximum_as_published(max_episode_steps, steps):
    events = []
    runtime.Runtime(_Line(events), _agent(_Ahead()), [_Notes(events)], max_episode_steps=max_episode_steps).run()
    assert sum(isinstance(event, tuple) for event in events) == steps


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ConnectionError("gone")])
def test_the_robot_goes_home_whatever_happens(error):
    events, line = [], _Line()
    line.events = events
    policy = _Ahead(fails_at=1, error=error)
    with pytest.raises(type(error)):
        runtime.Runtime(line, _agent(policy), [_Notes(events)], num_episodes=3).run()
    assert events == ["reset", "start", (0.0, 1.0), (1.0, 1.0), (2.0, 1.0), "end", "reset"]


def test_pace(caplog):
    start = time.monotonic()
    loop = runtime.Runtime(_Line(), _agent(_Ahead()), max_hz=50)
    with caplog.at_level(logging.INFO, runtime.__name__):
        loop.run()
    assert time.monotonic() - start >= 10 / 50  # ten steps
    assert loop.pace_report().steps == 11  # their beginnings, and the end of the last
    assert f"Episode complete: {loop.pace_report()}" in caplog.text


def test_no_pace_does_not_wait():
    start = time.monotonic()
    runtime.Runtime(_Line(), _agent(_Ahead(speed=0.1)), max_hz=0).run()
    assert time.monotonic() - start < 5  # a hundred steps


def test_an_episode_can_be_ended_from_another_thread():
    line = _Line()
    loop = runtime.Runtime(line, _agent(_Ahead(speed=0.0)))
    thread = loop.run_in_new_thread()
    while not line.events:
        time.sleep(0.001)
    loop.mark_episode_complete()
    thread.join(timeout=10)
    assert not thread.is_alive()
    assert line.events == ["reset", "reset"]


def test_slow_inference_hides_behind_the_running_chunk():
    class _Slow(_Ahead):
        def infer(self, obs):
            time.sleep(0.06)
            self.calls += 1
            return {"actions": np.full((20, 1), 0.25)}

    def late(make):
        loop = runtime.Runtime(_Line(), policy_agent.PolicyAgent(make(_Slow())), max_hz=50)
        loop.run()
        return loop.pace_report().late

    policies = []

    def behind(policy):
        policies.append(async_chunk_policy.AsyncChunkPolicy(policy, 5))
        return policies[-1]

    # Forty steps. One after another, both chunks are waited for; behind the running one, the first alone.
    assert late(lambda policy: action_chunk_broker.ActionChunkBroker(policy, 20)) >= 2
    late(behind)
    assert policies[0].waited_steps == 1
    policies[0].close()
