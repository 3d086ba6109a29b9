"""How long a policy's answers take."""

from __future__ import annotations

import time

import numpy as np

from openpi.client import base_policy


class TimedPolicy(base_policy.BasePolicy):
    """Passes requests on; `seconds` is how long each took."""

    def __init__(self, policy: base_policy.BasePolicy) -> None:
        self._policy = policy
        self.seconds: list[float] = []

    def infer(self, obs: dict) -> dict:
        start = time.perf_counter()
        answer = self._policy.infer(obs)
        self.seconds.append(time.perf_counter() - start)
        return answer

    def reset(self) -> None:
        self._policy.reset()

    def report(self) -> str:
        """One line."""
        if not self.seconds:
            return "none"
        median, p90, most = 1000 * np.percentile(self.seconds, (50, 90, 100))
        return f"{len(self.seconds)}, {median:.1f} ms median, {p90:.1f} ms p90, {most:.1f} ms most"
