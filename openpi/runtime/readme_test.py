"""The README's examples run."""

import numpy as np

from openpi.client import action_chunk_broker, base_policy, websocket_client_policy
from openpi.runtime import (
    emergency_stop,
    environment,
    gym_environment,
    pace,
    policy_agent,
    real_time_chunk_policy,
    runtime,
    safe_environment,
    safety_limits,
    stop_keys,
)
from openpi.testing import readme


class _Line(environment.Environment):
    """A point on a line that is at its goal at 30."""

    def reset(self):
        self.position = 0.0

    def is_episode_complete(self):
        return self.position >= 30

    def get_observation(self):
        return {"state": np.array([self.position])}

    def apply_action(self, action):
        self.position = max(self.position, float(action["actions"][0]))


class _Noted(_Line):
    """Knows where it was sent."""

    def __init__(self):
        self.told = []

    def apply_action(self, action):
        super().apply_action(action)
        self.told.append(float(action["actions"][0]))


class _Far(base_policy.BasePolicy):
    """Wants to be far away, at once."""

    def infer(self, obs):
        return {"actions": np.array([100.0])}


class _Ahead(base_policy.BasePolicy):
    """Plans a step ahead at a time; notes what it is asked to go on from."""

    def __init__(self):
        self.asked = []

    def infer(self, obs):
        self.asked.append(obs.get("openpi"))
        return {"actions": obs["state"] + np.arange(1, 26)[:, None]}

    def reset(self):
        pass


def _examples():
    modules = [
        np,
        action_chunk_broker,
        emergency_stop,
        gym_environment,
        policy_agent,
        real_time_chunk_policy,
        runtime,
        safe_environment,
        safety_limits,
        stop_keys,
        websocket_client_policy,
    ]
    return readme.run("openpi/runtime/README.md", modules)


def test_the_examples_run(monkeypatch):
    made = _examples()
    policy = _Ahead()
    made["act_without_seams"](_Line(), policy)
    assert policy.asked[0] is None
    assert policy.asked[1]["rtc"]["horizon"] == 10

    served = _Ahead()
    monkeypatch.setattr(websocket_client_policy, "WebsocketClientPolicy", lambda host, port: served)
    made["act"](_Line())
    assert served.asked == [None, None]

    np.testing.assert_allclose(made["command"], [0.01])
    monkeypatch.setattr(pace.Pace, "wait", lambda self: None)
    robot = _Noted()
    made["act_safely"](robot, _Far())
    np.testing.assert_allclose(robot.told[:3], [0.01, 0.02, 0.03])
    assert max(robot.told) == 1.5


def test_the_gymnasium_example_runs():
    class _Lean(base_policy.BasePolicy):
        asked = 0

        def infer(self, obs):
            assert obs["state"].shape == (4,)
            self.asked += 1
            return {"actions": obs["state"][2:]}

    policy = _Lean()
    _examples()["act_in_gym"](policy)
    assert policy.asked > 8
