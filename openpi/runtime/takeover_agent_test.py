import numpy as np

from openpi.client import action_chunk_broker, base_policy
from openpi.runtime import agent, policy_agent, takeover_agent


class _Person(agent.Agent):
    """Always turns back."""

    resets = 0

    def get_action(self, observation):
        return {"actions": -np.ones(1)}

    def reset(self):
        self.resets += 1


class _Counts(base_policy.BasePolicy):
    """Chunk n holds n.0, n.1, n.2, n.3."""

    calls = 0

    def infer(self, obs):
        self.calls += 1
        return {"actions": self.calls + np.arange(4)[:, None] / 10}


def test_the_person_acts_while_they_have_the_control_and_the_policy_plans_anew():
    wanted, person = iter([False, False, True, True, False, False]), _Person()
    policy = policy_agent.PolicyAgent(action_chunk_broker.ActionChunkBroker(_Counts(), 4))
    both = takeover_agent.TakeoverAgent(policy, person, lambda: next(wanted))
    both.reset()
    actions = [both.get_action({}) for _ in range(6)]
    assert [float(action["actions"][0]) for action in actions] == [1.0, 1.1, -1.0, -1.0, 2.0, 2.1]
    assert [action["intervention"] for action in actions] == [False, False, True, True, False, False]
    assert person.resets == 2  # at the episode's start, and when they took over


def test_an_episode_begins_with_whom_the_person_wants():
    policy = policy_agent.PolicyAgent(action_chunk_broker.ActionChunkBroker(_Counts(), 4))
    both = takeover_agent.TakeoverAgent(policy, _Person(), lambda: True)
    both.reset()
    assert both.get_action({})["intervention"] is True
