"""The program as a user starts it, driven by really served policies; LIBERO's place is taken by a package of its interface."""

import json
import pathlib
import subprocess
import sys
import threading

import av
import numpy as np
import pytest

from openpi.client import base_policy
from openpi.config import robots
from openpi.policies import create, tiny_checkpoint
from openpi.robots.libero import libero_package
from openpi.server import served
from openpi.testing import program

_NUMPY = str(pathlib.Path(np.__file__).parents[1])
_METADATA = {"robot": robots.libero("pi05").to_dict()}


class _Along(base_policy.BasePolicy):
    """Goes along x, away from the drawer; notes what it was asked. Holds the answer number `held` back until `go` is set."""

    def __init__(self, shape=(10, 7), held=None):
        self.shape, self.held, self.asked = shape, held, []
        self.reached, self.go = threading.Event(), threading.Event()

    def infer(self, obs):
        self.asked.append(obs)
        if len(self.asked) == self.held:
            self.reached.set()
            assert self.go.wait(100)
        actions = np.zeros(self.shape)
        actions[:, 0] = -0.5 if obs["prompt"] == "open the drawer" else 0.5
        return {"actions": actions}


def _flags(port, tmp_path):
    path = tmp_path / "clone"
    clone = str(path) if path.exists() else libero_package.write(path)
    return (f"--port={port}", f"--simulator_python={sys.executable}", f"--simulator_path={clone},{_NUMPY}")


def _run(cwd, port, *flags):
    return program.run("openpi/robots/libero", *_flags(port, cwd), *flags, cwd=cwd)


def _num_frames(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == 10
        return sum(1 for _ in container.decode(stream))


def test_a_suite_is_killed_gone_on_with_and_told(tmp_path):
    """Task 0 starts at 0, 1, 2 and is done at 3; so is task 1, which the policy's first step leaves behind."""
    policy = _Along(held=4)  # before anything moves, twice in trial 0, then at the start of trial 1
    flags = ("--num_trials_per_task=2", "--output_dir=out", "--policy=along")
    with served.serve(policy, _METADATA) as server:
        with subprocess.Popen(
            [*program.command("openpi/robots/libero"), *_flags(server.port, tmp_path), *flags],
            env=program.environment(BUILD_WORKING_DIRECTORY=str(tmp_path)),
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout.readline() == "libero_spatial task 0 trial 0: success after 6 steps\n"
            assert policy.reached.wait(100)
            process.kill()
        policy.go.set()
        done = _run(tmp_path, server.port, *flags)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("libero_spatial task 0 trial 1: success after 4 steps\n")
    assert "  put the bowl on the plate      2 of     2  100.0 %\n" in done.stdout
    assert policy.asked[5]["observation/state"][0] == pytest.approx(1.07)  # trial 1, seed 7
    assert {obs["prompt"] for obs in policy.asked} == {"put the bowl on the plate", "open the drawer"}
    content = json.loads((tmp_path / "out/results.json").read_text())
    assert content["suites"]["libero_spatial"]["trials"] == 4
    by_task = {row["task"]: row["episodes"] for row in content["rows"]}
    bowl = by_task["libero_spatial: put the bowl on the plate"]
    assert [(each["episode"], each["success"], each["steps"]) for each in bowl] == [(0, True, 6), (1, True, 4)]
    assert _num_frames(tmp_path / "out/videos/libero_spatial_task00_trial00_success.mp4") == 6


def test_an_episode_that_runs_out_of_steps(tmp_path):
    class _Stand(_Along):
        def infer(self, obs):
            return {"actions": 0 * super().infer(obs)["actions"]}

    with served.serve(_Stand()) as server:
        done = _run(tmp_path, server.port, "--tasks=0", "--num_trials_per_task=1", "--novideos", "--output_dir=out")
        assert done.returncode == 0, done.stderr
        assert "task 0 trial 0: failure after 220 steps\n" in done.stdout
        assert not (tmp_path / "out/videos").exists()
        again = _run(tmp_path, server.port, "--tasks=0", "--output_dir=out", "--seed=8")
    assert again.returncode == 1
    assert "holds episodes with seed=7, and now it is 8" in again.stderr


def test_a_trained_policys_checkpoint_drives_the_stand_in(tmp_path):
    tiny, robot = tiny_checkpoint.config(), robots.libero("pi0")
    tiny.data.robot = robot
    tiny.model.image_keys = robots.image_keys(robot)
    policy = create.create_policy(tiny, tiny_checkpoint.write(tmp_path / "run", tiny=tiny))
    policy.warmup()
    with served.serve(policy, policy.metadata) as server:
        flags = ("--dry_run", "--tasks=1", "--num_trials_per_task=1", "--suites=libero_spatial,libero_object")
        done = _run(tmp_path, server.port, *flags)
    assert done.returncode == 0, done.stderr
    names = sorted(path.name for path in (tmp_path / "data/libero/videos").iterdir())
    assert len(names) == 2 and names[1].startswith("libero_spatial_task01_trial00_")
    content = json.loads((tmp_path / "data/libero/results.json").read_text())
    assert list(content["suites"]) == ["libero_object", "libero_spatial"]
    assert content["rows"][0]["task"] == "libero_object: reach the second point"


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (("--suites=libero_x",), 2, "--suites: 'libero_x' is none of libero_spatial, "),
        (("--suites=",), 2, "--suites is empty"),
        (("--tasks=a",), 2, "--tasks: 'a' is no number"),
        (("--tasks=2",), 1, "--tasks=2: libero_spatial has tasks 0 to 1"),
        ((f"--simulator_path={_NUMPY}",), 1, "install openpi/robots/libero/requirements.txt for it, or try --dry_run"),
        (("--simulator_python=",), 2, "give --simulator_python=PYTHON"),
        (("--replan_steps=11",), 1, "chunks have 10 actions"),
    ],
)
def test_errors_are_one_line(tmp_path, flags, code, message):
    with served.serve(_Along(), _METADATA) as server:
        done = _run(tmp_path, server.port, *flags)
    assert done.returncode == code, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("libero: error: ")]
    assert message in line
    assert "Traceback" not in done.stderr
