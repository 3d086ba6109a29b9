"""Trains a small network for some steps on a generated dataset, and tells how long training waited for its data."""

import os
import pathlib
from typing import Any

from openpi.benchmarks import image_loading
from openpi.config import load
from openpi.train import training
from openpi.trainer import metrics_writer

STEPS = 8


def measure(root: pathlib.Path, kind: str, home: pathlib.Path) -> dict[str, Any]:
    """Trains in this process, which should be a fresh one. Call it in a folder that runs may be written to.

    Args:
      root: from `image_loading.write`.
      kind: of `image_cache`.
      home: for caches and compiled programs.

    Returns:
      `data_wait`, the share of the time after the first step that was spent waiting for data; `steps_per_s`; `loss`.
    """
    os.environ["OPENPI_DATA_HOME"] = str(home)
    config = load.load("experiments/aloha.py:aloha_reach").copy_and_resolve_references()
    cameras = [key.removeprefix("observation.images.") for key in image_loading.CAMERAS]
    images = {name: f"observation.images.{name}" for name in cameras}
    config.data.update(root=str(root), repo_id="benchmark", generator="", cache=kind, cache_max_gib=1000.0)
    config.data.repack.images = images
    config.model.update(
        image_size=image_loading.IMAGE_SIZE,
        image_keys=("base_0_rgb", "left_wrist_0_rgb", "right_wrist_0_rgb"),
        action_horizon=image_loading.HORIZON,
    )
    config.update(num_train_steps=STEPS, log_interval=STEPS - 1, noise_draws=1, batch_size=8, num_workers=-1)
    config.update(exp_name=kind, overwrite=True, save_interval=10 * STEPS)
    config.lr_schedule.update(warmup_steps=1, decay_steps=STEPS)
    training.train(config)
    run = pathlib.Path(config.checkpoint_base_dir) / config.name / config.exp_name
    last = metrics_writer.read(run)[-1]
    return {"data_wait": last["data_wait"], "steps_per_s": last["steps_per_second"], "loss": last["loss"]}
