"""A person takes over from the policy, and gives back: what DAgger and its kin learn from."""

from __future__ import annotations

from collections.abc import Callable

from openpi.runtime import agent as agent_lib

INTERVENTION = "intervention"  # key of the action: whether a person chose it


class TakeoverAgent(agent_lib.Agent):
    """Lets one agent act, and another one whenever that takes over.

    Actions say who chose them: `intervention` is True for those of the person. When the policy gets the control back it is
    reset first: what is left of its chunk was planned for another place.
    """

    def __init__(self, policy: agent_lib.Agent, person: agent_lib.Agent, has_taken_over: Callable[[], bool]) -> None:
        """Hands the control from one to the other.

        Args:
          policy: acts while nobody else does.
          person: a teleoperated arm, a space mouse, or a scripted expert.
          has_taken_over: whether the person wants the control; asked before every step.
        """
        self._policy, self._person, self._has_taken_over = policy, person, has_taken_over
        self._intervening = False

    def get_action(self, observation: dict) -> dict:
        before, self._intervening = self._intervening, bool(self._has_taken_over())
        chosen = self._person if self._intervening else self._policy
        if before != self._intervening:
            chosen.reset()
        return {**chosen.get_action(observation), INTERVENTION: self._intervening}

    def reset(self) -> None:
        self._intervening = False
        self._policy.reset()
        self._person.reset()
