"""Real-time chunking: each chunk is asked to go on where the running one stands, so that no seam is felt."""

from __future__ import annotations

import collections
import concurrent.futures
import math

from openpi.client import base_policy
from openpi.runtime import async_chunk_policy


class RealTimeChunkPolicy(async_chunk_policy.AsyncChunkPolicy):
    """Plays as AsyncChunkPolicy does; its requests tell the server what is left of the running chunk.

    They also tell how many steps the answer is expected to take: the actions that will have been played by then are kept as
    they are, those behind are followed less and less (Black, Galliker, Levine 2025). The first request of an episode, and one
    whose chunk has run out, are ordinary ones.

    Attributes:
      delay: steps that the next answer is expected to take.
      late_steps: by how many steps answers came later than expected, in all; those steps were played from the old chunk,
        which the new one was not asked to follow so closely there.
    """

    def __init__(
        self,
        policy: base_policy.BasePolicy,
        replan_steps: int,
        *,
        first_delay: int = 1,
        window: int = 10,
        quantile: float = 0.9,
        options: dict | None = None,
        executor: concurrent.futures.Executor | None = None,
    ) -> None:
        """Plays chunks of `policy`, whose server knows the option `rtc`.

        Args:
          policy: who is asked; its `actions` are [H, A].
          replan_steps: steps from one request to the next, at least 1; more is smoother, fewer is quicker to react.
          first_delay: steps that an answer is expected to take before one has been measured.
          window: answers that the expectation is made of, the latest ones.
          quantile: of their delays; high, since an answer too late costs more than one that could have come earlier.
          options: further entries of `rtc`: `beta`, `method`.
          executor: as for AsyncChunkPolicy.

        Raises:
          ValueError: an argument is out of range.
        """
        if first_delay < 0 or window < 1 or not 0 <= quantile <= 1:
            raise ValueError(
                f"first_delay={first_delay}, window={window}, quantile={quantile}: a delay is 0 or more steps, a window at "
                "least 1 answer, a quantile 0 to 1"
            )
        super().__init__(policy, replan_steps, executor=executor)
        self._options = dict(options or {})
        self._quantile = quantile
        self._delays: collections.deque[int] = collections.deque(maxlen=window)
        self._first_delay = first_delay
        self._expected: int | None = None
        self.late_steps = 0

    @property
    def delay(self) -> int:
        """See the class."""
        if not self._delays:
            return self._first_delay
        ordered = sorted(self._delays)
        return ordered[math.ceil(self._quantile * (len(ordered) - 1))]

    def reset(self) -> None:
        """As AsyncChunkPolicy; measured delays are kept."""
        super().reset()
        self._expected = None
        self.late_steps = 0

    def _request(self, obs: dict, step: int) -> dict:
        self._expected = None
        if not self._chunks:
            return obs
        chunk = self._chunks[-1]
        remainder = chunk.actions[step - chunk.start :]
        if not len(remainder):
            return obs
        self._expected = min(self.delay, len(remainder))
        rtc = {
            "remainder": remainder,
            "delay": self._expected,
            "horizon": len(chunk.actions) - len(remainder),
            **self._options,
        }
        return {**obs, "openpi": {**(obs.get("openpi") or {}), "rtc": rtc}}

    def _arrived(self, delay: int) -> None:
        if self._expected is None:
            return  # the robot stood still: no step tells how long it took
        self.late_steps += max(0, delay - self._expected)
        self._delays.append(delay)
