"""Trainings that validate on the way, on a dataset of 18 frames."""

import json

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest

from openpi.checkpoints import layout
from openpi.train import training
from openpi.trainer import metrics_writer, tiny_dataset


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory):
    """Where the dataset lies, and the runs."""
    directory = tmp_path_factory.mktemp("home")
    tiny_dataset.record(directory / "datasets" / "openpi" / "aloha_reach")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENPI_DATA_HOME", str(directory))
        patch.chdir(directory)
        yield directory


def train(**settings):
    """Trains, and returns the run's folder."""
    validation = {"validation__share": 0.3, "validation__interval": 2, "validation__num_frames": 4}
    config = tiny_dataset.config(**validation | settings)
    assert training.train(config) == 0
    return layout.run_dir(config.checkpoint_base_dir, config.name, config.exp_name)


def final(run):
    """The state after the last step: path -> array."""
    tree = ocp.PyTreeCheckpointHandler().restore(run / "3" / "train_state", args=ocp.args.PyTreeRestore())
    return {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def test_validation_changes_nothing_of_training_and_is_the_same_after_a_break():
    whole = train(exp_name="whole")
    assert sorted(path.name for path in (whole / "validation").glob("*.json")) == ["2.json", "3.json"]
    train(exp_name="broken", num_train_steps=2, validation__interval=100)
    broken = train(exp_name="broken", resume=True, validation__interval=100)
    assert sorted(path.name for path in (broken / "validation").glob("*.json")) == ["1.json", "3.json"]
    states = final(whole), final(broken)
    assert states[0].keys() == states[1].keys()
    for path, leaf in states[0].items():
        np.testing.assert_array_equal(states[1][path], leaf, err_msg=path)
    assert (broken / "validation/3.json").read_text() == (whole / "validation/3.json").read_text()
    lines = metrics_writer.read(whole)
    assert [line["step"] for line in lines if "validation/ema/loss" in line] == [2, 3]
    content = json.loads((whole / "validation" / "3.json").read_text())
    assert content["weights"]["ema"]["loss"]["mean"] == lines[-1]["validation/ema/loss"]


def test_the_best_checkpoints_are_those_of_the_lowest_validation_loss(home):
    run = train(
        exp_name="best",
        save_interval=1,
        validation__interval=1,
        keep_best=1,
        keep_period=0,
        ema_decay=0.0,
        lr_schedule__peak_lr=3.0,  # the loss grows
        lr_schedule__warmup_steps=3,
        validation__open_loop_episodes=0,
    )
    losses = {line["step"]: line["validation/raw/loss"] for line in metrics_writer.read(run) if line["step"]}
    best = min(losses, key=losses.get)
    assert best != 3
    assert layout.complete_steps(run) == [best, 3]
