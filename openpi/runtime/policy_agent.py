"""An agent that does what a policy says."""

from openpi.client import base_policy
from openpi.runtime import agent


class PolicyAgent(agent.Agent):
    """Hands observations to a policy which gives one action at a time (see `openpi/client/action_chunk_broker.py`)."""

    def __init__(self, policy: base_policy.BasePolicy) -> None:
        self._policy = policy

    def get_action(self, observation: dict) -> dict:
        return self._policy.infer(observation)

    def reset(self) -> None:
        self._policy.reset()
