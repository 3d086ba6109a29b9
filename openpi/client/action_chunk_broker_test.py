import json
import pathlib

import numpy as np
import pytest

from openpi.client import action_chunk_broker, base_policy

_GOLDEN = json.loads((pathlib.Path(__file__).parent / "testdata" / "protocol" / "action_chunk_broker.json").read_text())


class _Counting(base_policy.BasePolicy):
    """The policy of the golden trace: call number n returns actions that begin at 100·n."""

    def __init__(self, length):
        self.length = length
        self.calls = 0
        self.resets = 0

    def infer(self, obs):
        del obs
        self.calls += 1
        actions = np.arange(2.0 * self.length).reshape(self.length, 2) + 100 * self.calls
        return {"actions": actions, "state": np.arange(self.length), "info": {"label": "x", "num": 3}}

    def reset(self):
        self.resets += 1


def test_golden_trace():
    policy = _Counting(_GOLDEN["chunk_length"])
    broker = action_chunk_broker.ActionChunkBroker(policy, _GOLDEN["broker_action_horizon"])
    for entry in _GOLDEN["trace"]:
        if entry["reset_before"]:
            broker.reset()
        result = broker.infer({})
        assert result["actions"].tolist() == entry["actions"]
        assert result["state"] == entry["state"]
        assert result["info"] == entry["info"]
        assert policy.calls == entry["policy_calls_so_far"]
    assert policy.resets == sum(entry["reset_before"] for entry in _GOLDEN["trace"])


def test_arrays_in_lists_are_played_too():
    class Lists(base_policy.BasePolicy):
        def infer(self, obs):
            return {"parts": [obs["x"], (obs["x"] + 1, "text")]}

    broker = action_chunk_broker.ActionChunkBroker(Lists(), 2)
    assert broker.infer({"x": np.array([5, 6])}) == {"parts": [5, (6, "text")]}
    assert broker.infer({"x": np.array([0, 0])}) == {"parts": [6, (7, "text")]}


def test_a_chunk_that_is_too_short_is_named_before_anything_is_played():
    broker = action_chunk_broker.ActionChunkBroker(_Counting(4), 5)
    with pytest.raises(ValueError, match=r"cannot play 5 steps of 'actions', which has shape \(4, 2\)"):
        broker.infer({})


def test_the_horizon_is_at_least_one():
    with pytest.raises(ValueError, match="got 0"):
        action_chunk_broker.ActionChunkBroker(_Counting(4), 0)
