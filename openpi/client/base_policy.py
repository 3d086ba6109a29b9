"""What acts: an observation in, actions out."""

import abc


class BasePolicy(abc.ABC):
    """A policy, whether it runs in this process, behind a socket, or around another policy."""

    @abc.abstractmethod
    def infer(self, obs: dict) -> dict:
        """Returns the policy's result, `actions` among its keys, for one unbatched observation."""

    def reset(self) -> None:
        """Forgets what was kept of the episode; by default there is nothing."""
        return
