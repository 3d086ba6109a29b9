"""Loads a generated dataset of camera video through openpi's loader in this process, and measures it (Linux)."""

import os
import pathlib
import re
import time
import zlib
from typing import Any

import numpy as np

from openpi.client import image_tools
from openpi.data import image_cache, loader
from openpi.data.lerobot import reader, writer

MIB = 1 << 20
FPS, WIDTH, HORIZON = 50, 14, 50  # of a robot with two arms; an action chunk of one second
SIZE, IMAGE_SIZE, BATCH_SIZE = (480, 640), 224, 32
CAMERAS = tuple(f"observation.images.{name}" for name in ("cam_high", "cam_left_wrist", "cam_right_wrist"))
STATE, ACTION = "observation.state", "action"
_CHECKED = 64  # rows that all ways are compared at


def write(root: pathlib.Path, num_episodes: int, num_frames: int) -> None:
    """Records episodes of three moving cameras (h264, a keyframe every second frame) and random joint positions."""
    rng = np.random.default_rng(0)
    features = {
        key: {"dtype": "video", "shape": [*SIZE, 3], "names": ["height", "width", "channels"]} for key in CAMERAS
    }
    features |= {key: {"dtype": "float32", "shape": [WIDTH], "names": None} for key in (STATE, ACTION)}
    scenes = [_scene(rng) for _ in CAMERAS]
    with writer.LeRobotWriter(root, FPS, features, robot_type="aloha") as recorder:
        for episode in range(num_episodes):
            corners = rng.uniform(0, 100, (len(CAMERAS), 2))
            for frame in range(num_frames):
                pictures = {
                    key: _view(scene, corner + (0.7 * frame % 300, 1.3 * frame % 400), rng)
                    for key, scene, corner in zip(CAMERAS, scenes, corners, strict=True)
                }
                state, action = rng.normal(size=(2, WIDTH)).astype(np.float32)
                recorder.add_frame({**pictures, STATE: state, ACTION: action})
            recorder.save_episode(f"task {episode % 3}")


def build(root: pathlib.Path, kind: str, directory: pathlib.Path) -> dict[str, Any]:
    """Makes the cache of a kind of `image_cache` below `directory`.

    Returns:
      `rows_per_s` that it was built at, `mib` that it takes and `peak_mib` of memory that building took.
    """
    dataset, before, started = _open(root), _reset_peak(), time.perf_counter()
    image_cache.cached([dataset], kind, directory, image_size=IMAGE_SIZE, max_gib=1000.0)
    seconds = time.perf_counter() - started
    size = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
    return {"rows_per_s": len(dataset) / seconds, "mib": size / MIB, "peak_mib": _resident_mib("VmHWM") - before}


def measure(
    root: pathlib.Path, kind: str, directory: pathlib.Path, *, threads: int, shuffle: bool, seconds: float
) -> dict[str, Any]:
    """Reads batches as a model takes them, images as squares, for some time.

    Args:
      root: from `write`.
      kind: of `image_cache`.
      directory: where `build` has made its cache.
      threads: of the loader.
      shuffle: False reads the frames in their order.
      seconds: to measure for, from the second batch on.

    Returns:
      `rows_per_s`; `peak_mib` of memory beyond that before the dataset was opened; `checksum` of some rows' images.
    """
    before = _reset_peak()
    (dataset,) = image_cache.cached([_open(root)], kind, directory, image_size=IMAGE_SIZE, max_gib=1000.0)
    with loader.create_loader(
        dataset, _as_model_input, batch_size=BATCH_SIZE, seed=0, shuffle=shuffle, num_threads=threads
    ) as batches:
        for _ in range(1 + 2 * threads):  # what was read ahead while nobody waited
            next(batches)
        started, rows = time.perf_counter(), 0
        while (elapsed := time.perf_counter() - started) < seconds:
            rows += len(next(batches)["state"])
    peak = _resident_mib("VmHWM") - before
    checksum = 0
    for row in range(0, len(dataset), max(1, len(dataset) // _CHECKED)):
        item = _as_model_input(dataset[row])
        for image in item["image"].values():
            checksum = zlib.crc32(np.ascontiguousarray(image).data, checksum)
    return {"rows_per_s": rows / elapsed, "peak_mib": peak, "checksum": checksum}


def automatic_threads(kind: str) -> int:
    """The loader's own choice."""
    return 1 if kind == "frames" else os.cpu_count() or 1


def _open(root: pathlib.Path) -> reader.LeRobotDataset:
    return reader.LeRobotDataset(root, delta_timestamps={ACTION: [step / FPS for step in range(HORIZON)]})


def _as_model_input(item: dict[str, Any]) -> dict[str, Any]:
    images = {key: image_tools.resize_with_pad(item[key].transpose(1, 2, 0), IMAGE_SIZE, IMAGE_SIZE) for key in CAMERAS}
    return {"image": images, "state": item[STATE], "actions": item[ACTION]}


def _scene(rng: np.random.Generator) -> np.ndarray:
    """A picture larger than a frame: soft light, textures, and boxes with sharp edges: float32 [H, W, 3]."""
    shape = (2 * SIZE[0], 2 * SIZE[1])
    scene = np.zeros((*shape, 3), np.float32)
    for cell, contrast in ((160, 90), (32, 40), (8, 25)):
        coarse = rng.uniform(0, contrast, (shape[0] // cell, shape[1] // cell, 3)).astype(np.uint8)
        scene += image_tools.resize(coarse, *shape)
    for _ in range(60):
        (y, x), (height, width) = rng.integers(0, shape), rng.integers(10, 120, 2)
        scene[y : y + height, x : x + width] = rng.uniform(0, 255, 3)
    return scene


def _view(scene: np.ndarray, corner: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What a camera with some noise sees of it."""
    y, x = corner.astype(int)
    seen = scene[y : y + SIZE[0], x : x + SIZE[1]]
    return np.clip(seen + rng.normal(0, 2, (*SIZE, 1)).astype(np.float32), 0, 255).astype(np.uint8)


def _reset_peak() -> float:
    """Counts the peak of memory from now on. Returns what is in use, MiB."""
    pathlib.Path("/proc/self/clear_refs").write_text("5")
    return _resident_mib("VmRSS")


def _resident_mib(field: str) -> float:
    status = pathlib.Path("/proc/self/status").read_text()
    return int(re.search(rf"^{field}:\s+(\d+) kB$", status, re.MULTILINE)[1]) / 1024
