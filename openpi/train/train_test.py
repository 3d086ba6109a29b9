"""The program as a user starts it, on a dataset of 18 frames."""

import json
import os
import signal
import subprocess
import time

import jax
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


def start(home, *flags, cwd=None):
    return subprocess.Popen(
        [*program.command("openpi/train"), *tiny_dataset.FLAGS, *flags],
        cwd=cwd or home,
        env=program.environment(OPENPI_DATA_HOME=str(home), BUILD_WORKING_DIRECTORY=str(cwd or home)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def train(home, *flags, cwd=None):
    process = start(home, *flags, cwd=cwd)
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def test_trains_to_a_checkpoint_that_can_be_served(home):
    code, out, err = train(home, "--config.exp_name=whole")
    assert code == 0, err
    run = home / "checkpoints" / "aloha_reach" / "whole"
    assert out.splitlines()[0].startswith("trained steps 0 to 3 in ")
    assert out.splitlines()[1].endswith("//openpi/serve -- --checkpoint=checkpoints/aloha_reach/whole")
    assert "batch image/base_0_rgb uint8[4, 56, 56, 3]" in err
    assert "Step 3: loss=" in err
    assert sorted(entry.name.split(".")[0] for entry in run.iterdir()) == ["3", "config", "events", "loss", "metrics"]

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


def test_resuming_gives_what_an_unbroken_run_gives(home):
    flags = ("--config.num_workers=2", "--config.log_interval=2")
    assert train(home, *flags, "--config.exp_name=unbroken")[0] == 0
    assert train(home, *flags, "--config.exp_name=broken", "--config.num_train_steps=2")[0] == 0
    code, _, err = train(home, *flags, "--config.exp_name=broken", "--config.resume")
    assert code == 0, err
    assert "at step 2" in err
    runs = home / "checkpoints" / "aloha_reach"
    assert layout.complete_steps(runs / "broken") == [3]  # the older one is gone
    states = [(runs / name / "3" / "train_state", runs / name / "3" / "params") for name in ("unbroken", "broken")]
    for unbroken, broken in zip(*states, strict=True):
        jax.tree.map(np.testing.assert_array_equal, restore_all(unbroken), restore_all(broken))
    losses = [[line["loss"] for line in metrics_writer.read(runs / name)] for name in ("unbroken", "broken")]
    assert losses[0][-1] == losses[1][-1] != losses[0][0]
    positions = [(runs / name / "3" / "data_iterator" / "state.json").read_text() for name in ("unbroken", "broken")]
    assert positions[0] == positions[1]

    code, out, _ = train(home, *flags, "--config.exp_name=broken", "--config.resume")
    assert code == 0
    assert "nothing to do" in out


def restore_all(directory):
    import orbax.checkpoint as ocp

    return ocp.PyTreeCheckpointHandler().restore(directory, args=ocp.args.PyTreeRestore())


def test_an_existing_run_is_safe(home):
    flags = ("--config.exp_name=safe", "--config.num_train_steps=1")
    assert train(home, *flags)[0] == 0
    run = home / "checkpoints" / "aloha_reach" / "safe"
    before = snapshot(run)
    assert_one_line(train(home, *flags), ["--config.resume", "--config.overwrite", str(run)])
    assert snapshot(run) == before
    (run / "notes.txt").write_text("mine")
    assert_one_line(train(home, *flags, "--config.overwrite"), ["notes.txt"])
    (run / "notes.txt").unlink()
    assert snapshot(run) == before
    # Even with --config.overwrite, an error that can be seen early comes before anything is deleted.
    bad = train(home, *flags, "--config.overwrite", "--config.weights.kind=checkpoint", "--config.weights.path=nowhere")
    assert_one_line(bad, ["nowhere", "no such folder"])
    assert snapshot(run) == before
    assert train(home, *flags, "--config.overwrite", "--config.seed=1")[0] == 0
    assert snapshot(run) != before
    assert_one_line(train(home, *flags, "--config.overwrite", "--config.resume"), ["choose one"], code=2)


def snapshot(folder):
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*")}


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
        (["--config.data.repo_id="], ["config.data.repo_id is empty"]),
        (
            ["--config.data.repack.images.cam_high=observation.images.top"],
            ["config.data.repack.images.cam_high", "observation.images.top", "it has: ", tiny_dataset.CAMERA],
        ),
        (["--config.data.compute_norm_stats=False", "--config.assets_base_dir=other"], ["norm stats", "other", "openpi/norm_stats"]),
        (["--config.data.assets_dir=gs://bucket/assets"], ["gs://bucket/assets", "gsutil"]),
        (["--config.weights.kind=checkpoint", "--config.weights.path=gs://b/params"], ["gs://b/params", "gsutil"]),
        (["--config.batch_size=64"], ["18 samples", "config.batch_size"]),
        (["--config.freeze=("], ["config.freeze='('"]),
        (["--config.freeze=.*"], ["nothing is left to train"]),
        (["--config.lr_schedule.decay_steps=1"], ["config.lr_schedule.decay_steps=1"]),
        (["--config.fsdp_devices=3"], ["config.fsdp_devices=3"]),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(home, tmp_path, flags, words):
    assert_one_line(train(home, *flags, cwd=tmp_path), words)
    assert not (tmp_path / "checkpoints").exists()


def test_a_state_of_the_wrong_width(home, tmp_path):
    tiny_dataset.record(tmp_path / "data", joints=13)
    result = train(home, f"--config.data.root={tmp_path / 'data'}", cwd=tmp_path)
    assert_one_line(result, ["13"])
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["data"]


def test_an_unknown_field_and_no_configuration(home):
    assert_one_line(train(home, "--config.bath_size=3"), ["did you mean 'batch_size'"], code=2)
    done = subprocess.run(
        program.command("openpi/train"), env=program.environment(), capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "--config=experiments/aloha.py" in done.stderr


def test_ctrl_c_saves_and_resume_goes_on(home):
    process = start(home, "--config.exp_name=stopped", "--config.num_train_steps=100000", "--config.log_interval=10")
    metrics = home / "checkpoints" / "aloha_reach" / "stopped" / "metrics.jsonl"
    deadline = time.monotonic() + 60
    while not (metrics.is_file() and metrics.read_text().count("\n") >= 2):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "saved in checkpoints/aloha_reach/stopped" in out
    (step,) = layout.complete_steps(metrics.parent)
    last = json.loads(metrics.read_text().splitlines()[-1])["step"]
    assert last == step
    code, _, err = train(home, "--config.exp_name=stopped", f"--config.num_train_steps={step + 3}", "--config.resume")
    assert code == 0, err
    assert layout.complete_steps(metrics.parent) == [step + 2]


def test_help_explains():
    done = subprocess.run(
        [*program.command("openpi/train"), "--help"], env=program.environment(), capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0
    for text in ("Trains a policy", "--config.resume", "--config.overwrite", "loss.png"):
        assert text in done.stdout
