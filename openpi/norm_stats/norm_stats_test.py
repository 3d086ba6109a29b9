"""The program as a user starts it, on a recorded dataset."""

import numpy as np
import pytest

from openpi.data.lerobot import writer
from openpi.normalization import norm_stats
from openpi.testing import program

CAMERA = "observation.images.cam_high"
FEATURES = {
    "observation.state": {"dtype": "float32", "shape": [14]},
    "action": {"dtype": "float32", "shape": [14]},
    CAMERA: {"dtype": "video", "shape": [48, 64, 3]},
}


def record(root, features=FEATURES, width=14, **options):
    """Two episodes, and states.npy; joint 3 never moves."""
    rng, states = np.random.default_rng(0), []
    with writer.LeRobotWriter(root, 10, features, **options) as recorder:
        for _ in range(2):
            for _ in range(30):
                state = rng.normal(size=width).astype(np.float32)
                state[3] = 0.5
                states.append(state)
                frame = {"observation.state": state, "action": state + 1, CAMERA: np.zeros((48, 64, 3), np.uint8)}
                recorder.add_frame({key: frame[key] for key in features})
            recorder.save_episode("reach the cube")
    np.save(root / "states.npy", np.stack(states))
    return root


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return record(tmp_path_factory.mktemp("data") / "reach")


def run(*arguments, cwd):
    """(exit code, output, error) of the program, started in `cwd`."""
    done = program.run(
        "openpi/norm_stats", *arguments, cwd=cwd, JAX_PLATFORMS="cpu", OPENPI_DATA_HOME=str(cwd / "home")
    )
    return done.returncode, done.stdout, done.stderr


def reach(dataset, *more):
    return (
        "--config=experiments/aloha.py",
        "--config.data.generator=",
        "--config.data.robot.delta_mask=()",
        f"--config.data.root={dataset}",
        *more,
    )


def test_measures_prints_and_writes(dataset, tmp_path):
    code, output, error = run(*reach(dataset), cwd=tmp_path)
    assert code == 0, error
    folder = tmp_path / "assets/aloha_reach/openpi/aloha_reach"
    assert output.endswith(f"\nwritten to {folder}/norm_stats.json\n")
    assert (
        "3 left_forearm_roll          0.5        0.5        0.5        0.5        0.5          0  not scaled: varies"
        in output
    )
    assert "\n60 samples\n" in output and "\n600 samples\n" in output  # chunks of 10 steps
    assert "state[6] left_gripper: unit: a gripper that runs from -" in output
    stats = norm_stats.load(folder)
    assert stats["state"].mean.shape == stats["actions"].std.shape == (14,)
    np.testing.assert_allclose(stats["state"].mean[3], 0.5)
    np.testing.assert_allclose(stats["actions"].mean[3], 1.5)
    assert stats["state"].std[3] == 1.0 and 0.7 < stats["state"].std[0] < 1.3
    assert "\r" not in error  # no progress bar where nobody sees it
    assert not (tmp_path / "home/frames").exists()

    code, _, error = run(*reach(dataset, "--max_frames=20"), cwd=tmp_path)
    assert code == 0, error
    assert not np.array_equal(norm_stats.load(folder)["state"].mean, stats["state"].mean)


def test_as_published(tmp_path):
    """Whole batches in float32, and dims that never move left as they are; of a dataset in the older format."""
    dataset = record(tmp_path / "reach", version="v2.1")
    code, output, error = run(*reach(dataset, "--published_estimator", "--config.batch_size=25"), cwd=tmp_path)
    assert code == 0, error
    assert "\n50 samples\n" in output and "\n500 samples\n" in output
    stats = norm_stats.load(tmp_path / "assets/aloha_reach/openpi/aloha_reach")["state"]
    states = np.load(dataset / "states.npy")[:50]
    mean = states[:25].mean(axis=0) + (states[25:].mean(axis=0) - states[:25].mean(axis=0)) * 0.5
    np.testing.assert_array_equal(stats.mean, mean)
    assert stats.std[3] < 1e-3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (reach("/nowhere"), "no LeRobot dataset at /nowhere"),
        (
            reach("{dataset}", "--config.data.asset_id=", "--config.data.repo_id=", "--config.data.root=."),
            "set asset_id",
        ),
        (reach("{dataset}", "--config.data.repack.images.cam_high=observation.images.top"), "observation.images.top"),
        (reach("{narrow}"), "14"),
    ],
)
def test_bad_input_is_one_clear_line_and_writes_nothing(dataset, tmp_path, arguments, message):
    features = FEATURES | {key: {"dtype": "float32", "shape": [13]} for key in ("observation.state", "action")}
    narrow = record(tmp_path / "narrow", features, width=13)
    arguments = [argument.format(dataset=dataset, narrow=narrow) for argument in arguments]
    code, _, error = run(*arguments, cwd=tmp_path)
    assert code == 1, error
    lines = [line for line in error.splitlines() if line.startswith("norm_stats: error: ")]
    assert len(lines) == 1 and message in lines[0] and "Traceback" not in error, error
    assert not (tmp_path / "assets").exists()


def test_a_configuration_is_needed(tmp_path):
    code, _, error = run(cwd=tmp_path)
    assert code == 2 and "statistics of which configuration? give --config=experiments/aloha.py" in error


def test_help_explains(tmp_path):
    code, output, _ = run("--help", cwd=tmp_path)
    assert code == 0 and "Computes the normalization statistics" in output and "cannot be repeated here" in output
    assert all(flag in output for flag in ("--config:", "--config_name:", "--max_frames:", "--published_estimator"))
