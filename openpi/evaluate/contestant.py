"""A policy that takes part in an evaluation, and the ways to let it play: in this process, or a server's, with many simulators."""

import contextlib
import dataclasses
from collections.abc import Callable, Generator, Sequence

from openpi.client import base_policy, websocket_client_policy
from openpi.evaluate import crew, episode, loopback, player, worker

_CONNECT_SECONDS = 60.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Contestant:
    """A policy that takes part; either `load` or `server` is given.

    Attributes:
      plan: how its episodes are played.
      load: returns the policy for this process, ready for batches of the given size (None: as far as they gain), and that size.
      server: where a policy server answers.
    """

    plan: player.Plan
    load: Callable[[int | None], tuple[base_policy.BasePolicy, int]] | None = None
    server: worker.Server | None = None

    def play(
        self, wanted: Sequence[tuple[str, int]], *, parallel: int, max_batch_size: int | None
    ) -> Generator[episode.Episode, None, None]:
        """Yields the wanted episodes as they end; what each is does not depend on the others.

        Args:
          wanted: task and number of each.
          parallel: simulators at once, each in a process of its own; 1 plays in this one.
          max_batch_size: observations that one run of a policy loaded here answers at the most; None: as far as that gains.
        """
        if not wanted:
            return
        with contextlib.ExitStack() as stack:
            parallel = min(parallel, len(wanted))
            # A policy that gives single actions only looks them up: asking a server would take longer.
            if parallel == 1 or self.plan.replan_steps is None:
                one = stack.enter_context(player.Player(self.plan, self._alone(stack)))
                yield from (one.play(task, number) for task, number in wanted)
            else:
                server = self.server or self._serve(stack, max_batch_size)
                yield from stack.enter_context(contextlib.closing(crew.play(self.plan, server, wanted, size=parallel)))

    def _alone(self, stack: contextlib.ExitStack) -> base_policy.BasePolicy:
        if self.load is not None:
            return self.load(1)[0]
        return stack.enter_context(
            websocket_client_policy.WebsocketClientPolicy(
                self.server.host, self.server.port, connect_timeout=self.server.connect_timeout
            )
        )

    def _serve(self, stack: contextlib.ExitStack, max_batch_size: int | None) -> worker.Server:
        policy, size = self.load(max_batch_size)
        host, port = stack.enter_context(loopback.serve(policy, max_batch_size=size))
        return worker.Server(host=host, port=port, connect_timeout=_CONNECT_SECONDS)
