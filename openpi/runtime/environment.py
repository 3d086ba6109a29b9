"""What is acted upon: a robot or a simulation."""

import abc


class Environment(abc.ABC):
    """A robot or a simulation of one, as the runtime drives it. Called from one thread."""

    @abc.abstractmethod
    def reset(self) -> None:
        """Brings it to the start of an episode. Also called once at the very end: a real robot goes home."""

    @abc.abstractmethod
    def is_episode_complete(self) -> bool:
        """Returns whether the episode is over; asked after every step."""

    @abc.abstractmethod
    def get_observation(self) -> dict:
        """Returns the observation of this step, as the agent's policy takes it."""

    @abc.abstractmethod
    def apply_action(self, action: dict) -> None:
        """Carries out the agent's answer; a policy's action is its `actions`, [A]."""
