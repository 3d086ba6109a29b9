"""The program as a user starts it: a process of its own that asks a really served policy; arms and cameras are simulated."""

import contextlib
import os
import pty
import signal
import subprocess

import numpy as np

from openpi.client import base_policy
from openpi.policies import create, tiny_checkpoint
from openpi.server import served
from openpi.testing import program

_TARGET = "openpi/robots/aloha"
# No loaded machine is too slow for these.
_PATIENT = ("--max_action_age=60", "--connect_timeout=60")


class _Still(base_policy.BasePolicy):
    """Answers chunks of the robot's own state, `lift` radians higher; notes what it was asked."""

    def __init__(self, shape=(25, 14), lift=0.0):
        self.shape, self.lift, self.asked = shape, lift, []

    def infer(self, obs):
        self.asked.append(obs)
        actions = np.zeros(self.shape)
        actions[:, : min(14, self.shape[1])] = obs["state"][: self.shape[1]] + self.lift
        return {"actions": actions}


def _run(tmp_path, port, *flags):
    return program.run(_TARGET, "--dry_run", f"--port={port}", *_PATIENT, *flags, cwd=tmp_path)


@contextlib.contextmanager
def _started(port, *flags):
    """The program in a terminal, once it says that keys are watched."""
    person, own = pty.openpty()
    with subprocess.Popen(
        [*program.command(_TARGET), "--dry_run", f"--port={port}", *_PATIENT, *flags],
        env=program.environment(),
        stdin=own,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        os.close(own)
        try:
            assert process.stdout.readline().startswith("e, space or Esc stops the robot")
            yield process, person
        finally:
            process.kill()
            os.close(person)


def test_a_trained_policys_checkpoint_drives_it(tmp_path):
    policy = create.create_policy(tiny_checkpoint.config(), tiny_checkpoint.write(tmp_path / "run"))
    policy.warmup()
    with served.serve(policy, policy.metadata) as server:
        done = _run(tmp_path, server.port, "--max_episode_steps=24", "--action_horizon=10", "--prompt=reach the cube")
    assert done.returncode == 0, done.stderr
    assert "steps    26 steps at " in done.stdout  # 25 and the end of the last
    assert "answers  3, " in done.stdout
    assert "limited  " in done.stdout


def test_what_is_asked_and_what_is_limited(tmp_path):
    policy = _Still(lift=0.5)
    with served.serve(policy, {"reset_pose": [0, -1.5, 1.5, 0, 0, 0]}) as server:
        done = _run(tmp_path, server.port, "--max_episode_steps=29", "--speed=0.1")
    assert done.returncode == 0, done.stderr
    assert len(policy.asked) == 1 + 2  # before anything moves, then two chunks
    first, second = policy.asked[:2]
    assert sorted(first) == ["images", "state"]
    assert {name: image.shape for name, image in first["images"].items()} == dict.fromkeys(
        ("cam_high", "cam_left_wrist", "cam_low", "cam_right_wrist"), (3, 224, 224)
    )
    np.testing.assert_allclose(first["state"][[1, 6]], [-1.80, 0.0], atol=1e-6)  # as it was found
    np.testing.assert_allclose(second["state"], [0, -1.5, 1.5, 0, 0, 0, 1] * 2, atol=0.1)  # at home, grippers open
    assert "left_waist speed ×30" in done.stdout
    assert "Limited: left_gripper" in done.stderr


def test_another_robots_server_is_refused_before_anything_moves(tmp_path):
    with served.serve(_Still((25, 8)), {}) as server:
        done = _run(tmp_path, server.port)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(
        "aloha: error: the server's actions are float64 [25, 8], and this robot takes [steps, 14]"
    )
    assert "steps" not in done.stdout


def test_a_key_stops_it():
    with served.serve(_Still()) as server, _started(server.port, "--max_episode_steps=100000") as (process, person):
        os.write(person, b"e")
        out, err = process.communicate(timeout=200)
    assert process.returncode == 1
    assert "was pressed; the robot holds its position" in err.splitlines()[-1]
    assert "The robot was stopped and is not moved" in err
    assert "limited  " in out


def test_ctrl_c_ends_it():
    with served.serve(_Still()) as server, _started(server.port, "--max_episode_steps=100000") as (process, _):
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=200)
    assert process.returncode == 130
    assert err.splitlines()[-1] == "aloha: error: ended by Ctrl-C"
    assert "limited  " in out


def test_without_hardware_the_missing_library_is_named_at_once(tmp_path):
    done = program.run(_TARGET, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "the Python module rospy is needed" in done.stderr
    assert "sudo apt install ros-noetic" in done.stderr
    assert "--dry_run" in done.stderr
