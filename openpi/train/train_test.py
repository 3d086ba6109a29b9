"""The program as a user starts it, on a dataset of 18 frames."""

import json
import signal
import subprocess
import time

import numpy as np
import pytest

from openpi.checkpoints import layout, restore
from openpi.config import json_file
from openpi.normalization import norm_stats
from openpi.testing import program
from openpi.trainer import metrics_writer, tiny_dataset


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Where all runs of this file live: the dataset is recorded once, programs are compiled once."""
    directory = tmp_path_factory.mktemp("home")
    tiny_dataset.record(directory / "datasets" / "openpi" / "aloha_reach")
    return directory


def start(home, *flags):
    return subprocess.Popen(
        [*program.command("openpi/train"), *flags],
        env=program.environment(OPENPI_DATA_HOME=str(home), OPENPI_OFFLINE="1", BUILD_WORKING_DIRECTORY=str(home)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def train(home, *flags):
    """(exit code, standard output, standard error)."""
    process = start(home, *flags)
    try:
        out, err = process.communicate(timeout=200)
    finally:
        process.kill()
    return process.returncode, out, err


def test_trains_to_a_checkpoint_that_can_be_served(home):
    code, out, err = train(home, *tiny_dataset.FLAGS, "--config.exp_name=whole", "--profile_steps=1:3")
    assert code == 0, err
    run = home / "checkpoints" / "aloha_reach" / "whole"
    assert out.splitlines()[0].startswith("trained steps 0 to 3 in ")
    assert out.splitlines()[1].endswith("//openpi/serve -- --checkpoint=checkpoints/aloha_reach/whole")
    assert "batch image/base_0_rgb uint8[4, 56, 56, 3]" in err
    assert "Step 3: loss=" in err
    assert "WARNING" not in err
    assert sorted(entry.name.split(".")[0] for entry in run.iterdir()) == [
        "3",
        "config",
        "events",
        "first_batch",
        "loss",
        "metrics",
        "profile",
    ]
    assert (run / "first_batch.png").read_bytes().startswith(b"\x89PNG")
    assert len(list(run.glob("profile/plugins/profile/*/*.xplane.pb"))) == 1
    assert "profile of steps 1 to 2: tensorboard --logdir=" in err

    lines = metrics_writer.read(run)
    assert [line["step"] for line in lines] == [0, 1, 2, 3]
    assert all(np.isfinite(line["loss"]) and line["grad_norm"] > 0 for line in lines)

    step_dir = layout.find_step_dir(run)
    config = json_file.load(layout.config_file(step_dir))
    assert (config.batch_size, config.model.siglip.width) == (4, 16)
    assert json_file.load(run / "config.json") == config
    stats = norm_stats.load(layout.norm_stats_dir(step_dir, "openpi/aloha_reach"))
    assert stats["actions"].mean.shape == (14,)
    params = restore.restore_params(step_dir)
    assert params["action_out_proj"]["kernel"].shape == (16, 14)
    state = restore.metadata(step_dir / "train_state")
    assert set(state["params"]) == set(params)  # EMA is on: the raw parameters are kept for resuming

    failed = train(home, *tiny_dataset.FLAGS, "--config.exp_name=whole")
    assert_one_line(failed, ["--config.resume", "--config.overwrite", str(run)])


def assert_one_line(result, words, code=1):
    returncode, _, err = result
    assert returncode == code, err
    errors = [line for line in err.splitlines() if "error: " in line]
    assert len(errors) == 1, err
    assert "Traceback" not in err
    assert err.splitlines()[-1] == errors[0]
    for word in words:
        assert word in errors[0]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--config.data.repo_id=me/nothing"], ["no LeRobot dataset", "datasets/me/nothing", "config.data.root"]),
        (
            ["--config.data.repack.images.cam_high=observation.images.top"],
            ["config.data.repack.images.cam_high", "observation.images.top", "it has: ", tiny_dataset.CAMERA],
        ),
        (
            ["--config.data.compute_norm_stats=False", "--config.assets_base_dir=other"],
            ["norm stats", "other/aloha_reach", "//openpi/norm_stats"],
        ),
    ],
)
def test_what_is_missing_is_said_in_one_line(home, flags, words):
    result = train(home, *tiny_dataset.FLAGS, "--config.exp_name=never", *flags)
    assert_one_line(result, words)
    assert not (home / "checkpoints" / "aloha_reach" / "never").exists()


def test_a_dry_run_shows_a_batch_and_trains_nothing(home):
    code, out, err = train(
        home, *tiny_dataset.FLAGS, "--config.exp_name=dry", "--dry_run", "--dry_run_png=dry/seen.png"
    )
    assert code == 0, err
    assert "dataset, robot and model fit one another" in out
    assert (home / "dry" / "seen.png").read_bytes().startswith(b"\x89PNG")
    assert not (home / "checkpoints" / "aloha_reach" / "dry").exists()


def test_the_command_line(home):
    assert_one_line(train(home, *tiny_dataset.FLAGS, "--config.bath_size=3"), ["did you mean 'batch_size'"], code=2)
    assert_one_line(train(home), ["--config=experiments/aloha.py"], code=2)
    code, out, _ = train(home, "--help")
    assert code == 0
    for text in ("--list_configs", "Trains a policy", "--config.resume", "--config.overwrite", "loss.png", "--dry_run"):
        assert text in out


def test_lists_the_released_configurations(home):
    code, out, err = train(home, "--list_configs")
    assert code == 0, err
    for name in ("pi0_aloha_sim", "pi05_libero", "paligemma_vq_droid", "debug_restore"):
        assert sum(line.strip().startswith(f"{name} ") for line in out.splitlines()) == 1


def test_ctrl_c_saves(home):
    flags = ("--config.exp_name=stopped", "--config.num_train_steps=1000000", "--config.log_interval=10")
    process = start(home, *tiny_dataset.FLAGS, *flags)
    try:
        metrics = home / "checkpoints" / "aloha_reach" / "stopped" / "metrics.jsonl"
        deadline = time.monotonic() + 150
        while not (metrics.is_file() and metrics.read_text().count("\n") >= 2):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=100)
    finally:
        process.kill()
    assert process.returncode == 130, err
    assert "saved in checkpoints/aloha_reach/stopped; the same command with --config.resume goes on" in out
    assert "Traceback" not in err
    logged = json.loads(metrics.read_text().splitlines()[-1])["step"]
    (saved,) = layout.complete_steps(metrics.parent)
    assert logged <= saved < logged + 10
    assert f"stopped after step {saved};" in out
