import time

import pytest

from openpi.client import base_policy
from openpi.robots.driving import timed_policy


class _Slow(base_policy.BasePolicy):
    resets = 0

    def infer(self, obs):
        if obs == {}:
            raise ValueError("nothing to see")
        return obs

    def reset(self):
        self.resets += 1


def test_answers_are_passed_on_and_timed(monkeypatch):
    times = iter([1.0, 1.010, 2.0, 2.020, 3.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(times))
    inner = _Slow()
    timed = timed_policy.TimedPolicy(inner)
    assert timed.report() == "none"
    assert timed.infer({"a": 1}) == {"a": 1}
    timed.infer({"a": 2})
    with pytest.raises(ValueError, match="nothing to see"):
        timed.infer({})
    timed.reset()
    assert inner.resets == 1
    assert timed.report() == "2, 15.0 ms median, 19.0 ms p90, 20.0 ms most"
