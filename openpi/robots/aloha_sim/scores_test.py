import json

import numpy as np
import pytest

from openpi.client import base_policy
from openpi.robots.aloha_sim import scores
from openpi.runtime import gym_environment, policy_agent, runtime


class _Ladder:
    """Step n is worth n; the fifth is a success and ends the episode."""

    def __init__(self):
        self.action_space = np.zeros(1)

    def reset(self, *, seed):
        self.steps = 0
        return np.zeros(1), {}

    def step(self, action):
        self.steps += int(action[0])
        return np.zeros(1), float(self.steps), self.steps == 5, False, {"is_success": self.steps == 5}


class _Climb(base_policy.BasePolicy):
    """Climbs in every second episode; fails at call number `fails_at`."""

    def __init__(self, fails_at=None):
        self.episode, self.calls, self.fails_at = -1, 0, fails_at

    def reset(self):
        self.episode += 1

    def infer(self, obs):
        self.calls += 1
        if self.calls == self.fails_at:
            raise ConnectionError("gone")
        return {"actions": np.array([self.episode % 2])}


def _run(policy, num_episodes):
    environment = gym_environment.GymEnvironment(_Ladder(), observe={"state": ""})
    noted = scores.Scores(environment, max_episode_steps=8)
    agent = policy_agent.PolicyAgent(policy)
    loop = runtime.Runtime(environment, agent, [noted], num_episodes=num_episodes, max_episode_steps=7)
    return noted, loop


def test_episodes_are_told_and_written(tmp_path, capsys):
    noted, loop = _run(_Climb(), 3)
    loop.run()
    assert noted.summary() == "1 of 3 episodes succeeded"
    assert "episode 1: success, greatest reward 5.0, 5 steps in " in capsys.readouterr().out
    noted.write(tmp_path / "deep/results.json", policy="me", task="climb", conditions={"seed": 0})
    content = json.loads((tmp_path / "deep/results.json").read_text())
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["results.json"]
    assert content["conditions"] == {"seed": 0}
    (row,) = content["rows"]
    assert (row["policy"], row["task"]) == ("me", "climb")
    told = [(each["episode"], each["success"], each["steps"], each["max_reward"]) for each in row["episodes"]]
    assert told == [(0, False, 8, 0.0), (1, True, 5, 5.0), (2, False, 8, 0.0)]


def test_a_broken_off_episode_is_none():
    noted, loop = _run(_Climb(fails_at=11), 3)
    with pytest.raises(ConnectionError):
        loop.run()
    assert noted.summary() == "0 of 1 episodes succeeded"
