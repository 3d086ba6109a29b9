"""The program as a user starts it: a process of its own that asks a real server; the arm is simulated."""

import numpy as np
import pytest

from openpi.client import base_policy, robot_description
from openpi.config import load
from openpi.policies import robot
from openpi.server import served
from openpi.testing import program

_TARGET = "openpi/robots/ur5"
_ROBOT = load.load("experiments/ur5.py").data.robot.to_dict()
_PATIENT = ("--dry_run", "--max_action_age=60", "--connect_timeout=60")


class _Turns(base_policy.BasePolicy):
    """Reads observations as the released configuration does, and turns the wrist further at each step of a chunk."""

    def __init__(self):
        self.description = robot_description.from_dict(_ROBOT)
        self.seen, self.options = [], []

    def infer(self, obs):
        model_input = robot.RobotInputs(self.description)(obs)
        self.seen.append(model_input)
        self.options.append(obs.get("openpi"))
        chunk = np.tile(model_input["state"], (10, 1))
        chunk[:, 5] += np.arange(1, 11) * 0.02
        chunk[:, 6] = 1.0
        return robot.RobotOutputs(self.description)({"actions": np.pad(chunk, [(0, 0), (0, 25)])})


def test_a_policy_of_the_released_configuration_drives_it(tmp_path):
    policy = _Turns()
    with served.serve(policy, {"robot": _ROBOT}) as server:
        done = program.run(
            _TARGET, f"--port={server.port}", *_PATIENT, "--max_episode_steps=19", "--prompt=turn", cwd=tmp_path
        )
    assert done.returncode == 0, done.stderr
    assert len(policy.seen) == 1 + 2
    first, second, third = policy.seen
    assert [bool(mask) for mask in first["image_mask"].values()] == [True, True, False]
    assert first["image"]["base_0_rgb"].shape == (224, 224, 3)
    assert first["image"]["base_0_rgb"].std() > 10
    assert first["prompt"] == "turn"
    np.testing.assert_allclose(first["state"][:3], [0, -np.pi / 2, np.pi / 2], atol=1e-6)
    np.testing.assert_allclose(second["state"][6], 0, atol=0.05)  # the reset opened the gripper
    np.testing.assert_allclose(third["state"][5:], [0.2, 1.0], atol=0.1)
    assert "answers  2, " in done.stdout
    assert "limited  gripper speed ×" in done.stdout


@pytest.mark.parametrize("playback", ["ahead", "real_time"])
def test_answers_may_come_while_the_arm_moves(tmp_path, playback):
    policy = _Turns()
    with served.serve(policy, {"robot": _ROBOT}) as server:
        flags = ("--max_episode_steps=19", "--action_horizon=5", f"--playback={playback}")
        done = program.run(_TARGET, f"--port={server.port}", *_PATIENT, *flags, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "steps    21 steps at " in done.stdout
    assert len(policy.seen) >= 1 + 2
    assert policy.options[:2] == [None, None]
    assert [bool(options and "rtc" in options) for options in policy.options[2:3]] == [playback == "real_time"]


@pytest.mark.parametrize(
    ("flags", "code", "text"),
    [
        ([], 2, "give --robot_host, or --dry_run for a simulated arm"),
        (
            ["--robot_host=127.0.0.1", "--base_camera=1", "--wrist_camera=2"],
            1,
            "the Python module rtde_control is needed to drive this robot (No module named 'rtde_control'): pip install ur-rtde",
        ),
    ],
)
def test_what_is_missing_is_said_in_one_line_before_the_server_is_asked(tmp_path, flags, code, text):
    done = program.run(_TARGET, *flags, cwd=tmp_path)
    assert done.returncode == code
    assert done.stderr.count("\n") == 1
    assert text in done.stderr


def test_another_robots_server_is_refused_before_anything_moves(tmp_path):
    droid = load.load("experiments/droid.py").data.robot.to_dict()
    policy = _Turns()
    with served.serve(policy, {"robot": droid}) as server:
        done = program.run(_TARGET, f"--port={server.port}", *_PATIENT, cwd=tmp_path)
    assert done.returncode == 1
    assert "the server's policy is for a robot 'droid' of 8 actions" in done.stderr
    assert policy.seen == []
    assert "steps" not in done.stdout
