"""The program as a user starts it: a process of its own that asks a real server; the arm is simulated, the person a pipe."""

import csv
import signal
import subprocess
import threading

import av
import numpy as np
import pytest

from openpi.client import base_policy, robot_description
from openpi.config import load
from openpi.policies import robot
from openpi.server import served
from openpi.testing import program

_TARGET = "openpi/robots/droid"
_ROBOT = load.load("experiments/droid.py").data.robot.to_dict()
_FLAGS = ("--dry_run", "--external_camera=right", "--max_action_age=60", "--connect_timeout=60")


class _Waves(base_policy.BasePolicy):
    """Reads observations as the released configuration does; turns the first joint and closes the gripper."""

    def __init__(self):
        self.description = robot_description.from_dict(_ROBOT)
        self.seen, self.asked = [], threading.Semaphore(0)

    def infer(self, obs):
        self.seen.append(robot.RobotInputs(self.description)(obs))
        self.asked.release()
        actions = np.zeros((15, 32))
        actions[:, 0], actions[:, 7] = 0.5, 0.9
        return robot.RobotOutputs(self.description)({"actions": actions})


def _run(port, tmp_path, *flags, answers="", timeout=200):
    return subprocess.run(
        [*program.command(_TARGET), f"--port={port}", *flags],
        cwd=tmp_path,
        env=program.environment(BUILD_WORKING_DIRECTORY=str(tmp_path)),
        input=answers,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def test_rollouts_with_their_instructions_videos_and_scores(tmp_path):
    policy = _Waves()
    with served.serve(policy, {"robot": _ROBOT}) as server:
        answers = "wave to me\nmaybe\ny\nonce more\n30\n\n"
        done = _run(server.port, tmp_path, *_FLAGS, "--max_episode_steps=10", answers=answers)
    assert done.returncode == 0, done.stderr
    assert [seen["prompt"] for seen in policy.seen] == ["", *["wave to me"] * 2, *["once more"] * 2]
    rows = list(csv.DictReader((tmp_path / "results/results_001.csv").open(encoding="utf-8")))
    assert [(row["instruction"], row["success"], row["steps"]) for row in rows] == [
        ("wave to me", "1", "10"),
        ("once more", "0.3", "10"),
    ]
    for row in rows:
        with av.open(str(tmp_path / "results" / row["video"])) as container:
            assert len(list(container.decode(video=0))) == 10
    assert (tmp_path / "results/robot_camera_views.png").is_file()
    assert done.stdout.count("Did it succeed?") == 3
    assert "2 rollouts, mean success 0.65: results/results_001.csv" in done.stdout
    # Eight steps of half a velocity after home, and both rollouts begin there.
    first, second, third = (seen["state"] for seen in policy.seen[1:4])
    np.testing.assert_allclose(first, third, atol=1e-9)
    assert 0.5 < second[0] < 0.8
    assert second[7] > 0.9


def test_ctrl_c_ends_a_rollout_and_its_score_is_asked_all_the_same(tmp_path):
    policy = _Waves()
    with (
        served.serve(policy, {"robot": _ROBOT}) as server,
        subprocess.Popen(
            [*program.command(_TARGET), f"--port={server.port}", *_FLAGS, "--max_episode_steps=100000"],
            cwd=tmp_path,
            env=program.environment(BUILD_WORKING_DIRECTORY=str(tmp_path)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        try:
            process.stdin.write("wave to me\n")
            process.stdin.flush()
            for _ in range(3):  # the check, and two chunks
                assert policy.asked.acquire(timeout=200)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate("50\n\n", timeout=200)
        finally:
            process.kill()
    assert process.returncode == 0, err
    (row,) = csv.DictReader((tmp_path / "results/results_001.csv").open(encoding="utf-8"))
    assert (row["instruction"], row["success"]) == ("wave to me", "0.5")
    assert int(row["steps"]) >= 9
    assert "mean success 0.50" in out


@pytest.mark.parametrize(
    ("flags", "code", "text"),
    [
        ([], 2, "give --external_camera=left or --external_camera=right"),
        (["--external_camera=left", "--left_camera_id=1"], 2, "give --right_camera_id, or --dry_run"),
        (
            ["--external_camera=left", *(f"--{name}_camera_id=1" for name in ("left", "right", "wrist"))],
            1,
            "the Python module droid.robot_env is needed to drive this robot (No module named 'droid'): set up DROID's control",
        ),
    ],
)
def test_what_is_missing_is_said_in_one_line(tmp_path, flags, code, text):
    done = _run(1, tmp_path, *flags)
    assert done.returncode == code
    assert done.stderr.count("\n") == 1
    assert text in done.stderr


def test_another_robots_server_is_refused_before_anything_moves(tmp_path):
    class _Aloha(base_policy.BasePolicy):
        def infer(self, obs):
            return {"actions": np.zeros((50, 14))}

    with served.serve(_Aloha(), {}) as server:
        done = _run(server.port, tmp_path, *_FLAGS)
    assert done.returncode == 1
    assert "the server's actions are float64 [50, 14], and this robot takes [steps, 8]" in done.stderr
    assert not (tmp_path / "results").exists()
