"""A recorded dataset of an ALOHA robot, small enough for tests, and the flags that train a tiny policy on it."""

import pathlib

import numpy as np

from openpi.data.lerobot import writer

CAMERA = "observation.images.cam_high"
EPISODES, LENGTH = 3, 6

# For experiments/aloha.py: a network of almost no size, on that dataset.
FLAGS = (
    "--config=experiments/aloha.py",
    "--config.data.generator=",
    "--config.data.cache_frames=False",
    *(f"--config.model.{part}.{size}=16" for part in ("siglip", "language", "expert") for size in ("width", "mlp_dim")),
    *(f"--config.model.{part}.depth=1" for part in ("siglip", "language", "expert")),
    *(f"--config.model.{part}.num_heads=2" for part in ("siglip", "language", "expert")),
    *(f"--config.model.{part}.head_dim=8" for part in ("language", "expert")),
    *(f"--config.model.{part}.num_kv_heads=1" for part in ("language", "expert")),
    "--config.model.siglip.patch_size=28",
    "--config.model.image_size=56",
    "--config.model.action_horizon=4",
    "--config.batch_size=4",
    "--config.noise_draws=2",
    "--config.num_train_steps=4",
    "--config.log_interval=1",
    "--config.save_interval=100",
    "--config.lr_schedule.warmup_steps=1",
    "--config.lr_schedule.decay_steps=4",
)


def record(root: pathlib.Path, *, joints: int = 14) -> pathlib.Path:
    """Records it at `root`: smooth motions of all joints, a picture that follows the first of them. Returns `root`."""
    features = {
        CAMERA: {"dtype": "image", "shape": [56, 56, 3], "names": ["height", "width", "channels"]},
        "observation.state": {"dtype": "float32", "shape": [joints], "names": None},
        "action": {"dtype": "float32", "shape": [joints], "names": None},
    }
    pose = lambda episode, t: np.sin(np.arange(joints) + episode + 0.3 * t).astype(np.float32)
    with writer.LeRobotWriter(root, 10, features, robot_type="aloha") as recorder:
        for episode in range(EPISODES):
            for t in range(LENGTH):
                picture = np.full((56, 56, 3), 127 + 100 * pose(episode, t)[0], np.uint8)
                frame = {CAMERA: picture, "observation.state": pose(episode, t), "action": pose(episode, t + 1)}
                recorder.add_frame(frame)
            recorder.save_episode("reach the cube")
    return root
