"""The linter as a user starts it, on a recorded dataset of ALOHA with some faults."""

import numpy as np
import PIL.Image
import pytest

from openpi.data.lerobot import writer
from openpi.normalization import norm_stats
from openpi.testing import program

CAMERA = "observation.images.cam_high"
NUMBERS = {"dtype": "float32", "shape": [14], "names": None}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Joint 1 is in degrees, joint 3 never moves, joint 4 has one wild value."""
    root, rng = tmp_path_factory.mktemp("data") / "reach", np.random.default_rng(0)
    features = {"observation.state": NUMBERS, "action": NUMBERS, CAMERA: {"dtype": "image", "shape": [8, 8, 3]}}
    with writer.LeRobotWriter(root, 10, features) as recorder:
        for step in range(200):
            state = rng.uniform(0, 1, size=14).astype(np.float32)
            state[1], state[3] = np.degrees(state[1]), 0.5
            state[4] = 90.0 if step == 100 else state[4]
            recorder.add_frame({"observation.state": state, "action": state, CAMERA: np.zeros((8, 8, 3), np.uint8)})
        recorder.save_episode("reach the cube")
    return root


def run(dataset, *more, cwd):
    """(exit code, output, error)."""
    done = program.run(
        "openpi/norm_stats:lint",
        "--config=experiments/aloha.py",
        "--config.data.generator=",
        "--config.model.action_horizon=2",
        "--config.data.robot.delta_mask=()",
        f"--config.data.root={dataset}",
        *more,
        cwd=cwd,
        JAX_PLATFORMS="cpu",
        OPENPI_DATA_HOME=str(cwd / "home"),
    )
    return done.returncode, done.stdout, done.stderr


def test_finds_what_is_wrong_and_draws_it(dataset, tmp_path):
    code, output, error = run(dataset, "--config.data.min_std=0", "--strict", cwd=tmp_path)
    assert code == 1, error
    for finding in (
        "state[1] left_shoulder: unit",
        "state[3] left_forearm_roll: degenerate",
        "state[4] left_wrist_angle: out",
    ):
        assert finding in output and finding.replace("state", "actions") in output, output
    assert "6 findings:" in output
    with PIL.Image.open(tmp_path / "norm_stats.png") as image:
        assert image.format == "PNG" and image.width > 1000
    assert not (tmp_path / "assets").exists()


def test_without_strictness_it_only_tells(dataset, tmp_path):
    code, output, error = run(dataset, "--png=", cwd=tmp_path)
    assert code == 0, error
    assert "4 findings:" in output and "not scaled: varies by less than 0.01" in output
    assert list(tmp_path.iterdir()) == []


def test_compares(dataset, tmp_path):
    entry = norm_stats.NormStats(mean=np.full(14, 0.5), std=np.full(14, 0.3))
    norm_stats.save(tmp_path / "other", {"state": entry, "actions": entry})
    code, output, error = run(dataset, "--png=", f"--compare={tmp_path / 'other'}", cwd=tmp_path)
    assert code == 0, error
    assert output.startswith(f"compared with {tmp_path / 'other'}/norm_stats.json\n") and "shift      scale" in output
    assert "state[1] left_shoulder: mismatch: its mean lies +" in output
    code, _, error = run(dataset, "--compare=nowhere", cwd=tmp_path)
    assert code == 1 and "nowhere: there is no such file or folder" in error and error.count("error:") == 1


def test_help_explains(tmp_path):
    done = program.run("openpi/norm_stats:lint", "--help", cwd=tmp_path)
    assert done.returncode == 0 and "Looks for what is wrong" in done.stdout
    assert all(flag in done.stdout for flag in ("--compare:", "--png:", "--[no]strict:"))
