import threading
import time

import numpy as np
import pytest

from openpi.client import base_policy
from openpi.runtime import async_chunk_policy


class _Clock(base_policy.BasePolicy):
    """Answers the observation of step t with [t, t + 1, ...]: whoever skips or repeats a row is found out. `noise` tells chunks
    apart. Waits for `gate` if there is one."""

    def __init__(self, horizon=6, gate=None, fails=()):
        self.horizon, self.gate, self.fails = horizon, gate, set(fails)
        self.asked, self.resets, self.threads = [], 0, set()

    def infer(self, obs):
        self.threads.add(threading.get_ident())
        if self.gate is not None:
            assert self.gate.acquire(timeout=10)
        number = len(self.asked)
        self.asked.append(int(obs["t"][0]))
        if number in self.fails:
            raise ConnectionError("gone")
        actions = np.arange(self.horizon)[:, None] + obs["t"]
        return {"actions": np.concatenate([actions, np.full_like(actions, number)], axis=1), "number": number}

    def reset(self):
        self.resets += 1


def _play(policy, steps, *, settle=True, start=0):
    """Actions of steps whose observations lie in one buffer that is used again and again."""
    buffer, played = np.zeros(1), []
    for step in range(start, start + steps):
        buffer[0] = step
        played.append(policy.infer({"t": buffer, "more": {"x": 1}})["actions"])
        if settle and policy._pending is not None:
            policy._pending.exception(timeout=10)  # the answer is there before the next step
    return np.array(played)


def test_every_step_plays_its_own_row_and_no_step_waits_but_the_first():
    inner = _Clock(horizon=6)
    policy = async_chunk_policy.AsyncChunkPolicy(inner, 3)
    played = _play(policy, 10)
    np.testing.assert_array_equal(played[:, 0], np.arange(10))
    np.testing.assert_array_equal(
        played[:, 1], [0, 0, 0, 0, 1, 1, 1, 2, 2, 2]
    )  # each is heard one step after it was asked
    assert inner.asked == [0, 3, 6, 9]
    assert policy.waited_steps == 1
    assert threading.get_ident() not in inner.threads
    policy.close()


def test_inference_hides_behind_the_chunk():
    gate = threading.Semaphore(1)
    policy = async_chunk_policy.AsyncChunkPolicy(_Clock(horizon=6, gate=gate), 2)
    played = _play(policy, 5, settle=False)  # the second request, at step 2, is not answered yet
    np.testing.assert_array_equal(played, [[step, 0] for step in range(5)])
    gate.release()
    policy._pending.result(timeout=10)
    np.testing.assert_array_equal(_play(policy, 1, settle=False, start=5), [[5, 1]])
    gate.release(10)
    policy.close()


def test_a_chunk_that_runs_out_waits_for_the_next():
    gate = threading.Semaphore(1)
    policy = async_chunk_policy.AsyncChunkPolicy(_Clock(horizon=3, gate=gate), 1)
    _play(policy, 3, settle=False)
    timer = threading.Timer(0.2, gate.release, [10])
    timer.start()
    start = time.monotonic()
    np.testing.assert_array_equal(_play(policy, 1, settle=False, start=3)[:, 0], [3])
    assert time.monotonic() - start > 0.1
    assert policy.waited_steps == 2
    timer.join()
    policy.close()


def test_a_chunk_that_comes_after_its_last_row_is_asked_for_anew():
    gate = threading.Semaphore(1)
    inner = _Clock(horizon=2, gate=gate)
    policy = async_chunk_policy.AsyncChunkPolicy(inner, 1)
    _play(policy, 2, settle=False)  # asks at 0 and 1
    gate.release(10)
    policy._step = 8  # the robot was busy elsewhere
    np.testing.assert_array_equal(_play(policy, 1, settle=False, start=8)[:, 0], [8])
    assert inner.asked == [0, 1, 8]
    policy.close()


@pytest.mark.parametrize(("decay", "second"), [(0.0, 0.5), (np.log(3), 0.25), (-np.log(3), 0.75)])
def test_temporal_ensembling(decay, second):
    policy = async_chunk_policy.AsyncChunkPolicy(_Clock(horizon=4), 2, ensemble_decay=decay)
    played = _play(policy, 4)
    np.testing.assert_allclose(played[:, 0], np.arange(4))
    np.testing.assert_allclose(played[:, 1], [0, 0, 0, second])  # chunks 0 and 1 both reach step 3
    policy.close()


def test_a_failure_is_raised_once_and_the_next_step_asks_anew():
    inner = _Clock(horizon=9, fails=[1])
    policy = async_chunk_policy.AsyncChunkPolicy(inner, 3)
    _play(policy, 4)
    with pytest.raises(ConnectionError, match="gone"):
        _play(policy, 1, start=4)
    played = _play(policy, 4, start=5)
    np.testing.assert_array_equal(played, [[5, 0], [6, 2], [7, 2], [8, 2]])
    assert inner.asked == [0, 3, 5, 8]
    policy.close()


def test_reset_drops_what_was_asked():
    gate = threading.Semaphore(1)
    inner = _Clock(gate=gate)
    policy = async_chunk_policy.AsyncChunkPolicy(inner, 1)
    _play(policy, 2, settle=False)
    gate.release(10)
    policy.reset()
    assert inner.resets == 1
    np.testing.assert_array_equal(_play(policy, 1), [[0, 2]])
    policy.close()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"replan_steps": 0}, "replan_steps=0"),
        ({"replan_steps": 1, "ensemble_decay": float("nan")}, "ensemble_decay=nan"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        async_chunk_policy.AsyncChunkPolicy(_Clock(), **arguments)


@pytest.mark.parametrize("shape", [(3,), (0, 2)])
def test_actions_that_are_no_chunk_are_refused(shape):
    class _Odd(base_policy.BasePolicy):
        def infer(self, obs):
            return {"actions": np.zeros(shape)}

    policy = async_chunk_policy.AsyncChunkPolicy(_Odd(), 1)
    with pytest.raises(ValueError, match="must be .steps, numbers., got shape"):
        policy.infer({})
    policy.close()
