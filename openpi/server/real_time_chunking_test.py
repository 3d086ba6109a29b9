"""Real-time chunking over the network: robots with running chunks, the server's batches, a policy of a real checkpoint."""

import contextlib

import numpy as np
import pytest

from openpi.client import base_policy, websocket_client_policy
from openpi.policies import create, tiny_checkpoint
from openpi.runtime import real_time_chunk_policy
from openpi.server import served

_REPLAN = 4
_NOISE = (tiny_checkpoint.ACTION_HORIZON, 14)


@pytest.fixture(scope="module")
def policy(tmp_path_factory):
    policy = create.create_policy(None, tiny_checkpoint.write(tmp_path_factory.mktemp("checkpoints")), num_steps=10)
    policy.warmup(4, rtc=True)
    return policy


class _Robot(base_policy.BasePolicy):
    """Sees one thing, and starts each chunk from noise of its own; `server` answers."""

    def __init__(self, seed, server):
        self.server = server
        self.player = real_time_chunk_policy.RealTimeChunkPolicy(self, _REPLAN, options={"beta": 10})
        self._noise, self._observation = np.random.default_rng(seed), tiny_checkpoint.observation(seed)

    def infer(self, obs):
        return self.server.infer(obs)

    def reset(self):
        pass

    def request(self):
        return {**self._observation, "openpi": {"noise": self._noise.normal(size=_NOISE)}}


def _play(robots, steps):
    """The results of each robot's steps, [robot][step]. All that was asked is answered before the next step."""
    played = [[] for _ in robots]
    for _ in range(steps):
        for robot, results in zip(robots, played, strict=True):
            results.append(robot.player.infer(robot.request()))
        for robot in robots:
            if robot.player._pending is not None:
                robot.player._pending.exception(timeout=60)
    return played


@contextlib.contextmanager
def _connected(running):
    host, _, port = running.address.rpartition(":")
    with websocket_client_policy.WebsocketClientPolicy(host, int(port)) as client:
        yield client


def test_robots_share_a_run_of_the_model_and_get_what_each_would_get_alone(policy):
    # Three robots make a batch full; until then it waits, for as long as it takes a slow machine. The first chunk is waited for
    # within a step, so each robot fetches it before.
    with served.serve(policy, max_batch_size=3, max_delay_ms=60_000) as running, contextlib.ExitStack() as stack:
        robots = [_Robot(seed, policy) for seed in range(3)]
        first = _play(robots, 1)
        for robot in robots:
            robot.server = stack.enter_context(_connected(running))
        together = [start + rest for start, rest in zip(first, _play(robots, 14), strict=True)]
    for seed, results in enumerate(together):
        (alone,) = _play([_Robot(seed, policy)], 15)
        for got, expected in zip(results, alone, strict=True):
            np.testing.assert_allclose(got["actions"], expected["actions"], atol=1e-5)
        told = [result["openpi"] for result in results[_REPLAN + 1 :]]
        assert {entry["batch_size"] for entry in told} == {3}
        assert {(entry["rtc"]["delay"], entry["rtc"]["horizon"]) for entry in told} == {(1, _REPLAN)}


def test_a_seam_is_smaller_than_between_free_chunks(policy):
    with served.serve(policy) as running, _connected(running) as client:
        robot = _Robot(0, client)
        (results,) = _play([robot], 30)
        deviations = [result["openpi"]["rtc"]["deviation"] for result in results[_REPLAN + 1 :: _REPLAN]]
        starts = [client.infer(robot.request())["actions"][0] for _ in range(12)]
    apart = np.mean([np.abs(one - other).max() for one, other in zip(starts[::2], starts[1::2], strict=True)])
    assert len(deviations) >= 6
    assert np.mean(deviations) < 0.5 * apart


def test_a_robot_goes_on_when_its_server_comes_back(policy):
    with served.serve(policy) as running, _connected(running) as client:
        robot = _Robot(0, client)
        _play([robot], _REPLAN)
    with pytest.raises(ConnectionError):
        _play([robot], 3)
    with served.serve(policy) as running, _connected(running) as client:
        robot.server = client
        (results,) = _play([robot], 3)
    assert results[-1]["openpi"]["rtc"]["delay"] == 1  # the old chunk had not run out
    assert robot.player.waited_steps == 1
