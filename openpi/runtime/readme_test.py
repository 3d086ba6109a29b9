"""The README's examples run."""

import numpy as np

from openpi.client import action_chunk_broker, base_policy, websocket_client_policy
from openpi.runtime import environment, policy_agent, real_time_chunk_policy, runtime
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


class _Ahead(base_policy.BasePolicy):
    """Plans a step ahead at a time; notes what it is asked to go on from."""

    def __init__(self):
        self.asked = []

    def infer(self, obs):
        self.asked.append(obs.get("openpi"))
        return {"actions": obs["state"] + np.arange(1, 26)[:, None]}

    def reset(self):
        pass


def test_the_examples_run(monkeypatch):
    modules = [action_chunk_broker, websocket_client_policy, policy_agent, real_time_chunk_policy, runtime]
    made = readme.run("openpi/runtime/README.md", modules)
    policy = _Ahead()
    made["act_without_seams"](_Line(), policy)
    assert policy.asked[0] is None
    assert policy.asked[1]["rtc"]["horizon"] == 10

    served = _Ahead()
    monkeypatch.setattr(websocket_client_policy, "WebsocketClientPolicy", lambda host, port: served)
    made["act"](_Line())
    assert served.asked == [None, None]
