"""What a server needs of a policy to answer several clients with one run of the model."""

import abc
from collections.abc import Hashable, Sequence

from openpi.client import base_policy


class BatchPolicy(base_policy.BasePolicy):
    """A policy that infers for several observations at once, with the results that each would have alone."""

    @abc.abstractmethod
    def group(self, obs: dict) -> Hashable | None:
        """What observations must have in common to be inferred together; None: this one runs alone. Never raises."""

    @abc.abstractmethod
    def infer_batch(self, observations: Sequence[dict]) -> list[dict | Exception]:
        """Returns for each observation its result, or what is wrong with it: a bad one spoils no other.

        Args:
          observations: of one group.
        """
