"""A small dataset that the lerobot package records, for tests: its values follow from the frame's number."""

import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from lerobot.datasets import lerobot_dataset

FPS = 10
HEIGHT, WIDTH = 64, 96  # the AV1 encoder takes no less than 64
TASKS = ("reach the cube", "push the cube", "fasse den Würfel")
CAMERA, PNG_CAMERA = "observation.images.top", "observation.images.png"

FEATURES: dict[str, dict[str, Any]] = {
    "observation.state": {"dtype": "float32", "shape": (3,), "names": ["x", "y", "z"]},
    "action": {"dtype": "float32", "shape": (2,), "names": None},
    "observation.forces": {"dtype": "float32", "shape": (2, 3), "names": None},
    "next.reward": {"dtype": "float64", "shape": (1,), "names": None},
    "next.done": {"dtype": "bool", "shape": (1,), "names": None},
    "counter": {"dtype": "int64", "shape": (1,), "names": None},
    CAMERA: {"dtype": "video", "shape": (HEIGHT, WIDTH, 3), "names": ["height", "width", "channels"]},
    PNG_CAMERA: {"dtype": "image", "shape": (3, 8, 12), "names": ["channels", "height", "width"]},
}


def frame(n: int) -> dict[str, Any]:
    """The frame with number `n` over the whole dataset."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    random = np.random.default_rng(n)
    return {
        "observation.state": np.array([n, np.sin(n), -n], np.float32),
        "action": np.array([n + 0.5, np.cos(n)], np.float32),
        "observation.forces": random.normal(size=(2, 3)).astype(np.float32),
        "next.reward": np.array([n / 7], np.float64),
        "next.done": np.array([n % 5 == 4]),
        "counter": np.array([(n << 24) + 1], np.int64),
        CAMERA: np.stack([2 * x, 3 * y, np.full_like(x, (29 * n) % 256)], axis=-1).astype(np.uint8),
        PNG_CAMERA: random.integers(0, 256, (3, 8, 12), np.uint8),
    }


def record(
    root: pathlib.Path, lengths: Sequence[int] = (4, 7, 5), *, files_size_in_mb: float | None = None, **options: Any
) -> pathlib.Path:
    """Records episodes of these lengths with lerobot, their tasks taking turns. Returns `root`.

    Args:
      root: must not exist.
      lengths: frames of each episode.
      files_size_in_mb: at about this size a new file is begun; None: lerobot's own limits.
      options: of `LeRobotDataset.create`.
    """
    dataset = lerobot_dataset.LeRobotDataset.create("someone/something", FPS, FEATURES, root, **options)
    if files_size_in_mb:
        dataset.meta.update_chunk_settings(
            data_files_size_in_mb=files_size_in_mb, video_files_size_in_mb=files_size_in_mb
        )
    n = 0
    for episode, length in enumerate(lengths):
        for _ in range(length):
            dataset.add_frame(frame(n) | {"task": TASKS[episode % len(TASKS)]})
            n += 1
        save_episode(dataset)
    dataset.finalize()
    return root


def save_episode(dataset: lerobot_dataset.LeRobotDataset) -> None:
    """Saves the frames that were added. From [1] arrays lerobot 0.4 cannot make the numbers it stores, since numpy 2.4."""
    for key, feature in dataset.features.items():
        values = dataset.episode_buffer[key]
        if tuple(feature["shape"]) == (1,) and isinstance(values, list):
            dataset.episode_buffer[key] = [value[0] if np.ndim(value) else value for value in values]
    dataset.save_episode()
