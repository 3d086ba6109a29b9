"""A small recorded dataset for tests: its values follow from the frame's number, so that any reader can be checked."""

import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from openpi.data.lerobot import writer

FPS = 10
HEIGHT, WIDTH = 48, 64
TASKS = ("reach the cube", "push the cube")
CAMERA, PNG_CAMERA, STATE, ACTION = (
    "observation.images.cam_high",
    "observation.images.png",
    "observation.state",
    "action",
)

FEATURES = {
    STATE: {"dtype": "float32", "shape": [3], "names": ["x", "y", "z"]},
    ACTION: {"dtype": "float32", "shape": [3], "names": ["x", "y", "z"]},
    "reward": {"dtype": "float64", "shape": [1], "names": None},
    "done": {"dtype": "bool", "shape": [1], "names": None},
    "note": {"dtype": "string", "shape": [1], "names": None},
    CAMERA: {"dtype": "video", "shape": [HEIGHT, WIDTH, 3], "names": ["height", "width", "channels"]},
    PNG_CAMERA: {"dtype": "image", "shape": [3, 8, 12], "names": ["channels", "height", "width"]},
}


def frame(n: int) -> dict[str, Any]:
    """The frame with number `n` over the whole dataset."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    picture = np.stack([x * 3, y * 4, np.full_like(x, (37 * n) % 256)], axis=-1).astype(np.uint8)
    return {
        STATE: np.array([n, np.sin(n), -n], np.float32),
        ACTION: np.array([n + 0.5, np.cos(n), 0], np.float32),
        "reward": np.float64(n / 7),
        "done": np.bool_(n % 5 == 4),
        "note": f"frame {n}",
        CAMERA: picture,
        PNG_CAMERA: np.full((3, 8, 12), [[[n % 256]], [[255 - n % 256]], [[7]]], np.uint8),
    }


def record(
    root: pathlib.Path, lengths: Sequence[int] = (4, 7, 5), *, version: str = "v3.0", **options: Any
) -> pathlib.Path:
    """Records episodes of these lengths, their tasks taking turns. `options` are the writer's. Returns `root`."""
    n = 0
    with writer.LeRobotWriter(root, FPS, FEATURES, version=version, robot_type="aloha", **options) as recorder:
        for episode, length in enumerate(lengths):
            for _ in range(length):
                recorder.add_frame(frame(n))
                n += 1
            recorder.save_episode(TASKS[episode % len(TASKS)])
    return root
