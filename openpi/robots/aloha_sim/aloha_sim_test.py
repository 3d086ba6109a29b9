"""The program as a user starts it: the real simulation, and the stand-in for it, driven through a real server."""

import json

import av
import numpy as np
import pytest

from openpi.client import base_policy
from openpi.server import served
from openpi.testing import program


class _Still(base_policy.BasePolicy):
    """Chunks of the state; notes what it was asked."""

    def __init__(self, shape=(12, 14)):
        self.shape, self.asked = shape, []

    def infer(self, obs):
        self.asked.append(obs)
        return {"actions": np.resize(obs["state"], self.shape)}


def _run(cwd, port, *flags):
    return program.run("openpi/robots/aloha_sim", f"--port={port}", "--max_hz=0", *flags, cwd=cwd)


def _frames(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == 50
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]


def test_the_simulation_itself(tmp_path):
    policy = _Still()
    with served.serve(policy) as server:
        done = _run(
            tmp_path, server.port, "--max_episode_steps=3", "--seed=5", "--prompt=Transfer cube", "--out_dir=out"
        )
    assert done.returncode == 0, done.stderr
    assert "0 of 1 episodes succeeded" in done.stdout
    results = json.loads((tmp_path / "out/results.json").read_text())
    (row,) = results["rows"]
    (episode,) = row["episodes"]
    assert row["task"] == "gym_aloha/AlohaTransferCube-v0"
    assert (episode["steps"], episode["success"], episode["max_reward"]) == (3, False, 0)
    assert episode["seed"] == np.random.default_rng(5).integers(2**32 - 1)
    assert results["conditions"]["prompt"] == policy.asked[0]["prompt"] == "Transfer cube"
    assert len(policy.asked) == 2  # before anything moves, then a chunk
    frames = _frames(tmp_path / "out/out_0.mp4")
    assert len(frames) == 3
    red, green, blue = frames[0].transpose(2, 0, 1).astype(int)
    assert ((red > 120) & (green < 90) & (blue < 90)).sum() >= 4  # the cube


def test_episodes_of_the_stand_in(tmp_path):
    with served.serve(_Still()) as server:
        done = _run(tmp_path, server.port, "--dry_run", "--num_episodes=2", "--max_episode_steps=15", "--subsample=5")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "data/aloha_sim/videos"
    assert sorted(path.name for path in folder.iterdir()) == ["out_0.mp4", "out_1.mp4", "results.json"]
    (row,) = json.loads((folder / "results.json").read_text())["rows"]
    assert [episode["steps"] for episode in row["episodes"]] == [15, 15]
    assert len({episode["seed"] for episode in row["episodes"]}) == 2


@pytest.mark.parametrize(
    ("shape", "flags", "message"),
    [
        ((12, 8), (), "[12, 8], and this robot takes [steps, 14]"),
        ((9, 14), (), "chunks have 9 actions: lower --action_horizon=10"),
    ],
)
def test_a_policy_of_something_else_is_told_in_a_line(tmp_path, shape, flags, message):
    with served.serve(_Still(shape)) as server:
        done = _run(tmp_path, server.port, "--dry_run", *flags)
    assert done.returncode == 1
    assert done.stderr.startswith("aloha_sim: error: ") and message in done.stderr, done.stderr
    assert not (tmp_path / "data").exists()
