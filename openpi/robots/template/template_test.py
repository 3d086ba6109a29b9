"""The program as a user starts it: a process of its own that asks a real server; the arm is simulated, or one behind a socket."""

import json
import pathlib
import socketserver
import threading

import numpy as np
import pytest

from openpi.client import base_policy, robot_description
from openpi.config import load
from openpi.policies import robot
from openpi.server import served
from openpi.testing import program, readme

_TARGET = "openpi/robots/template"
_FOLDER = pathlib.Path(__file__).parent
_ROBOT = load.load("experiments/template.py").data.robot.to_dict()
_PATIENT = ("--max_action_age=60", "--connect_timeout=60", "--max_episode_steps=19", "--prompt=do the task")
_HOME = [0, -45, 90, 0, 45, 0, 85]


class _Turns(base_policy.BasePolicy):
    """Reads observations as the configuration does, in radians, and turns the base by 0.01 in each step of a chunk."""

    def __init__(self):
        self.description = robot_description.from_dict(_ROBOT)
        self.seen = []

    def infer(self, obs):
        self.seen.append(obs)
        state = robot.RobotInputs(self.description)(obs)["state"]
        chunk = np.tile(state, (10, 1))
        chunk[:, 0] += np.arange(1, 11) * 0.01
        return robot.RobotOutputs(self.description)({"actions": chunk})


class _Arm(socketserver.StreamRequestHandler):
    """Goes at once where it is told."""

    def handle(self):
        for line in self.rfile:
            question = json.loads(line)
            if "go" in question:
                self.server.went.append(question["go"])
            self.wfile.write((json.dumps(self.server.went[-1]) + "\n").encode())


@pytest.fixture
def arm():
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Arm) as server:
        server.daemon_threads = True
        server.went = [[10.0, -40, 90, 0, 45, 0, 50]]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def _write(tmp_path, *more):
    path = tmp_path / "mine.py"
    text = (_FOLDER / "my_robot.py").read_text(encoding="utf-8")
    assert "HOME_SECONDS = 3.0" in text
    path.write_text("\n".join([text.replace("HOME_SECONDS = 3.0", "HOME_SECONDS = 0.5"), *more]), encoding="utf-8")
    return path


def test_a_policy_of_the_template_drives_a_simulated_robot(tmp_path):
    policy = _Turns()
    with served.serve(policy, {"robot": _ROBOT}) as server:
        done = program.run(_TARGET, "--dry_run", f"--port={server.port}", *_PATIENT, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert sorted(policy.seen[0]) == ["front", "prompt", "state", "wrist"]
    assert policy.seen[0]["front"].shape == (224, 224, 3)
    np.testing.assert_allclose(policy.seen[1]["state"], _HOME, atol=1)  # degrees, millimetres
    np.testing.assert_allclose(policy.seen[2]["state"][0], np.rad2deg(0.1), atol=1.5)
    assert "answers  2, " in done.stdout
    assert "limited  nothing" in done.stdout


def test_the_readmes_driver_drives_an_arm_behind_a_socket(tmp_path, arm):
    (block,) = readme.blocks((_FOLDER / "README.md").read_text(encoding="utf-8"))
    code = block.code
    for old, new in (("9000", str(arm.server_address[1])), ("timeout=2.0", "timeout=60")):
        assert old in code
        code = code.replace(old, new)
    path = _write(tmp_path, code)
    with served.serve(_Turns(), {"robot": _ROBOT}) as server:
        done = program.run(_TARGET, f"--robot={path.name}", f"--port={server.port}", *_PATIENT, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    went = np.array(arm.went)
    homeward = 10  # commands: 0.5 s
    assert len(went) == 1 + homeward + 20 + homeward
    np.testing.assert_allclose(went[homeward], _HOME, atol=1e-9)
    np.testing.assert_allclose(went[homeward + 20], [np.rad2deg(0.2), *_HOME[1:]], atol=1e-9)
    np.testing.assert_allclose(went[-1], _HOME, atol=1e-9)


def test_without_a_driver_it_says_how_to_write_one(tmp_path):
    done = program.run(_TARGET, f"--robot={_write(tmp_path).name}", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert (
        "mine.py has no function open_driver(), which opens the robot: openpi/robots/template/README.md" in done.stderr
    )


def test_another_robots_server_is_refused_before_the_robot_is_opened(tmp_path):
    path = _write(tmp_path, "def open_driver():\n    open('opened', 'w')\n")
    ur5 = load.load("experiments/ur5.py").data.robot.to_dict()
    with served.serve(_Turns(), {"robot": ur5}) as server:
        done = program.run(_TARGET, f"--robot={path.name}", f"--port={server.port}", *_PATIENT, cwd=tmp_path)
    assert done.returncode == 1
    assert "the server's robot 'ur5' has the actions shoulder_pan, " in done.stderr
    assert not (tmp_path / "opened").exists()
