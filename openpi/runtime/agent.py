"""Who acts."""

import abc


class Agent(abc.ABC):
    """Decides what to do at each step."""

    @abc.abstractmethod
    def get_action(self, observation: dict) -> dict:
        """Returns the action for this observation."""

    @abc.abstractmethod
    def reset(self) -> None:
        """Prepares for a new episode."""
