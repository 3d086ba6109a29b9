"""A recorded dataset of an ALOHA robot, small enough for tests, and the settings that train a tiny policy on it."""

import pathlib
from typing import Any

import numpy as np

from openpi.config import load, schema
from openpi.data.lerobot import writer

CAMERA = "observation.images.cam_high"
EPISODES, LENGTH = 3, 6

_PARTS = ("siglip", "language", "expert")
# What to change in experiments/aloha.py to train a network of almost no size on that dataset.
SETTINGS = {
    "data.generator": "",
    "data.cache": "none",
    **{f"model.{part}.{size}": 16 for part in _PARTS for size in ("width", "mlp_dim")},
    **{f"model.{part}.depth": 1 for part in _PARTS},
    **{f"model.{part}.num_heads": 2 for part in _PARTS},
    **{f"model.{part}.head_dim": 8 for part in _PARTS[1:]},
    **{f"model.{part}.num_kv_heads": 1 for part in _PARTS[1:]},
    "model.siglip.patch_size": 28,
    "model.image_size": 56,
    "model.action_horizon": 4,
    "batch_size": 4,
    "noise_draws": 2,
    "num_train_steps": 4,
    "num_workers": 1,
    "log_interval": 1,
    "save_interval": 100,
    "lr_schedule.warmup_steps": 1,
    "lr_schedule.decay_steps": 4,
}
FLAGS = ("--config=experiments/aloha.py", *(f"--config.{field}={value}" for field, value in SETTINGS.items()))


def config(variant: str = "aloha_reach", **settings: Any) -> schema.ConfigDict:
    """The configuration that FLAGS make of a variant, `settings` (field, with "__" for ".": value) changed."""
    result = load.load(f"experiments/aloha.py:{variant}")
    changed = {field.replace("__", "."): value for field, value in settings.items()}
    if result.model.type == "pi0_fast":  # no expert, no noise
        changed = {key: value for key, value in SETTINGS.items() if "expert" not in key} | {"noise_draws": 1} | changed
    else:
        changed = SETTINGS | changed
    result.update_from_flattened_dict(changed)
    return result


def record(root: pathlib.Path, *, joints: int = 14, episodes: int = EPISODES) -> pathlib.Path:
    """Records it at `root`: smooth motions of all joints, a picture that follows the first of them. Returns `root`."""
    features = {
        CAMERA: {"dtype": "image", "shape": [56, 56, 3], "names": ["height", "width", "channels"]},
        "observation.state": {"dtype": "float32", "shape": [joints], "names": None},
        "action": {"dtype": "float32", "shape": [joints], "names": None},
    }
    pose = lambda episode, t: np.sin(np.arange(joints) + episode + 0.3 * t).astype(np.float32)
    with writer.LeRobotWriter(root, 10, features, robot_type="aloha") as recorder:
        for episode in range(episodes):
            for t in range(LENGTH):
                picture = np.full((56, 56, 3), 127 + 100 * pose(episode, t)[0], np.uint8)
                frame = {CAMERA: picture, "observation.state": pose(episode, t), "action": pose(episode, t + 1)}
                recorder.add_frame(frame)
            recorder.save_episode("reach the cube")
    return root
