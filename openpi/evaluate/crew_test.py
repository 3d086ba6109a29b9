"""Real processes that play against a real server of this one."""

import contextlib
import dataclasses
import os
import pathlib
import signal

import numpy as np
import pytest

from openpi.client import base_policy
from openpi.evaluate import contestant, crew, loopback, player, worker

_PLAN = player.Plan(policy="p", seed=0, split="test", replan_steps=10, noise_shape=(10, 14), render=False)
_WANTED = [("reach", number) for number in range(5)]


class _Chunks(base_policy.BasePolicy):
    """Chunks of standing still, moved by the noise of the request."""

    def infer(self, obs):
        return {"actions": np.tile(obs["state"], (10, 1)) + 0.05 * obs["openpi"]["noise"]}


class _Refuse(base_policy.BasePolicy):
    def infer(self, obs):
        raise ValueError("state has 13 values")


@contextlib.contextmanager
def _served(policy):
    with loopback.serve(policy) as (host, port):
        yield worker.Server(host=host, port=port, connect_timeout=60.0)


def _untimed(episodes):
    return sorted((dataclasses.replace(each, seconds=0.0) for each in episodes), key=lambda each: each.episode)


def test_many_processes_play_what_one_plays():
    with player.Player(_PLAN, _Chunks()) as one:
        alone = [one.play(*which) for which in _WANTED]
    with _served(_Chunks()) as server:
        side_by_side = list(crew.play(_PLAN, server, _WANTED, size=3))
        remote = contestant.Contestant(plan=_PLAN, server=server)
        one_by_one = list(remote.play(_WANTED, parallel=1, max_batch_size=None))
    assert _untimed(side_by_side) == _untimed(alone) == _untimed(one_by_one)
    assert len({each.distance for each in alone}) == len(_WANTED)
    local = contestant.Contestant(plan=_PLAN, load=lambda size: (_Chunks(), size))
    assert _untimed(local.play(_WANTED[:2], parallel=2, max_batch_size=1)) == _untimed(alone[:2])
    assert list(local.play([], parallel=2, max_batch_size=1)) == []


def test_what_the_policy_refuses_is_said():
    with (
        _served(_Refuse()) as server,
        contextlib.closing(crew.play(_PLAN, server, _WANTED, size=2)) as played,
        pytest.raises(RuntimeError, match="episode . of 'reach' was not played: .*state has 13 values"),
    ):
        list(played)


_CHILDREN = pathlib.Path(f"/proc/self/task/{os.getpid()}/children")


def _children():
    return [int(child) for child in _CHILDREN.read_text().split()]


@pytest.mark.skipif(not _CHILDREN.exists(), reason="this kernel tells no children")
def test_a_process_that_dies_is_an_error_and_none_is_left():
    with _served(_Chunks()) as server, contextlib.closing(crew.play(_PLAN, server, _WANTED * 100, size=2)) as played:
        next(played)
        for child in _children():
            os.kill(child, signal.SIGKILL)
        with pytest.raises(RuntimeError, match="was not played: its process died of SIGKILL"):
            list(played)
    assert not _children()


def test_closing_ends_the_processes():
    with _served(_Chunks()) as server:
        played = crew.play(_PLAN, server, _WANTED * 100, size=2)
        next(played)
        played.close()
        assert list(played) == []
