"""Who looks on: recorders, displays, counters."""

import abc


class Subscriber(abc.ABC):
    """Is told of every episode and step, in the runtime's thread."""

    @abc.abstractmethod
    def on_episode_start(self) -> None:
        """An episode begins; environment and agent have been reset."""

    @abc.abstractmethod
    def on_step(self, observation: dict, action: dict) -> None:
        """A step was made: `action`, already applied, answered `observation`."""

    @abc.abstractmethod
    def on_episode_end(self) -> None:
        """The episode is over, be it complete or broken off by an error or Ctrl-C."""
