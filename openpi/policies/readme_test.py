"""The README's example runs."""

import numpy as np

from openpi.client import robot_description, robot_observation
from openpi.policies import create, tiny_checkpoint
from openpi.testing import readme


def test_the_example_runs(tmp_path, monkeypatch):
    tiny_checkpoint.write(tmp_path / "checkpoints/aloha_reach/default")
    monkeypatch.chdir(tmp_path)
    made = readme.run("openpi/policies/README.md", [create, np, robot_description, robot_observation])
    actions = made["policy"].infer(made["observation"])["actions"]
    assert actions.shape == (tiny_checkpoint.ACTION_HORIZON, len(made["robot"].actions))
    led, running = made["result"]["actions"], made["running"]
    assert made["result"]["openpi"]["rtc"]["deviation"] == np.abs(led[0] - running[4]).max()
