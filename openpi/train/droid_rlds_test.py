"""DROID from its RLDS release, as a user trains on it: two small datasets by weight, statistics, some steps."""

import json

import numpy as np
import pytest

from openpi.checkpoints import layout
from openpi.config import json_file
from openpi.data.rlds import recording
from openpi.normalization import norm_stats
from openpi.testing import program
from openpi.trainer import metrics_writer, tiny_dataset

CONFIG = """
from openpi.config import load

def get_config(variant=""):
    config = load.load("experiments/droid.py:pi05_full_droid_finetune")
    droid = {"name": "droid", "version": "1.0.1", "weight": 0.75, "filter": "ranges.json"}
    simulated = {"name": "polaris_droid_cotrain_dataset", "version": "1.0.0", "weight": 0.25, "filter": ""}
    config.data.rlds.update(data_dir="rlds", datasets=(droid, simulated))
    config.data.assets_dir = ""
    config.weights.kind = "none"
    config.tokenizer.update(path="small", vocab_size=2000)
    config.model.update(vocab_size=2000, max_token_len=64)
    return config
"""
FLAGS = (
    "--config=my_droid.py",
    *(f"--config.{key}={value}" for key, value in tiny_dataset.SETTINGS.items() if not key.startswith("data.")),
)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    (home / "my_droid.py").write_text(CONFIG)
    recording.write(home / "rlds/droid/1.0.1", [recording.droid_episode(i, 20, success=i != 1) for i in range(3)])
    recording.write(
        home / "rlds/polaris_droid_cotrain_dataset/1.0.0", [recording.droid_episode(i, 5) for i in range(3)]
    )
    ranges = {f"/data/success/day/{i}/recordings/MP4--/data/success/day/{i}/trajectory.h5": [[2, 9]] for i in (0, 2)}
    (home / "ranges.json").write_text(json.dumps(ranges))
    return home


def run(target, home, *more):
    return program.run(target, *FLAGS, *more, cwd=home, JAX_PLATFORMS="cpu", OPENPI_DATA_HOME=str(home / "cache"))


def test_statistics_then_training(home):
    done = run("openpi/norm_stats", home)
    assert done.returncode == 0, done.stderr
    stats = norm_stats.load(home / "assets/pi05_full_droid_finetune/droid")
    assert stats["actions"].mean.shape == stats["state"].mean.shape == (8,)
    # joints move by 0.01 a step, and actions are one step ahead: steps 1 to 4 from the state, fewer at an episode's end
    np.testing.assert_array_less(0.005, stats["actions"].mean[:7])
    np.testing.assert_array_less(stats["actions"].mean[:7], 0.04)

    done = run("openpi/train", home)
    assert done.returncode == 0, done.stderr
    assert "batch image/base_0_rgb uint8[4, 56, 56, 3]" in done.stderr
    trained = home / "checkpoints/pi05_full_droid_finetune/default"
    lines = metrics_writer.read(trained)
    assert len(lines) == 4 and all(np.isfinite(line["loss"]) for line in lines)
    step = layout.find_step_dir(trained)
    assert norm_stats.load(layout.norm_stats_dir(step, "droid"))["actions"].mean.shape == (8,)
    assert [entry["weight"] for entry in json_file.load(layout.config_file(step)).data.rlds.datasets] == [0.75, 0.25]


def test_without_the_data_it_says_which_field_to_set(home):
    done = run("openpi/train", home, "--config.data.rlds.data_dir=/nowhere", "--config.exp_name=other")
    assert done.returncode == 1
    assert "error: there is no /nowhere/droid/1.0.1: set --config.data.rlds.data_dir to the local folder" in done.stderr
