"""Normalization statistics of a generated dataset in this process, in openpi's way and in the published one (Linux)."""

import pathlib
import re
import time
from typing import Any

import numpy as np

from openpi.benchmarks import table_reading
from openpi.config import build_transforms, robots, schema
from openpi.data import dataset_stats
from openpi.data.lerobot import reader
from openpi.normalization import running_stats

WAYS = ("openpi", "published")
_KEYS = ("state", "actions")
_BATCH = 32  # frames, of the published way
_CLEAR_REFS, _STATUS = "/proc/self/clear_refs", "/proc/self/status"


def measure(root: pathlib.Path, way: str, max_frames: int, horizon: int) -> dict[str, Any]:
    """Opens the dataset and computes the statistics of some frames of ALOHA, with all its conversions and deltas.

    Args:
      root: of a LeRobot dataset.
      way: "openpi", or "published": item by item through the transforms, batches of float32 to `RunningStats`; without the
        decoding of video that the published script does besides.
      max_frames: at the most; openpi's choice of them is random, the published way takes the first.
      horizon: steps of an action chunk.

    Returns:
      `frames`, `open_s`, `seconds`, `peak_mib` of the whole process while it computes.
    """
    started = time.perf_counter()
    dataset = open_dataset(root, horizon)
    open_s = time.perf_counter() - started
    pathlib.Path(_CLEAR_REFS).write_text("5")  # the peak counts from here
    started = time.perf_counter()
    if way == "openpi":
        found = dataset_stats.measure(dataset, transform(), max_frames=max_frames)
        frames = found["state"].count
    else:
        frames = min(len(dataset), max_frames) // _BATCH * _BATCH
        published(dataset, frames)
    seconds = time.perf_counter() - started
    peak = int(re.findall(r"^VmHWM:\s+(\d+) kB$", pathlib.Path(_STATUS).read_text(), re.MULTILINE)[0])
    return {"frames": frames, "open_s": open_s, "seconds": seconds, "peak_mib": peak / 1024}


def check(root: pathlib.Path, horizon: int) -> dict[str, float]:
    """Compares openpi's way with numpy on sorted values, and with the published way, on all frames but a partial batch.

    Returns:
      `exact`: 1 if all quantiles, minima and maxima are numpy's; `mean_std_error`, `published_mean_std_error`: the largest
      distance of a mean or std to numpy's, in std; `published_quantile_error`: the largest distance of a published quantile
      to the samples from 0.5 % below to 0.5 % above it, in the range of its dim.
    """
    dataset = open_dataset(root, horizon)
    frames = len(dataset) // _BATCH * _BATCH
    if frames != len(dataset):
        raise ValueError(f"the dataset at {root} has {len(dataset)} frames, which are no whole batches of {_BATCH}")
    ours, theirs = dataset_stats.measure(dataset, transform()), published(dataset, frames)
    tables = transform()(dataset.read_tables(np.arange(frames)))
    exact, errors, quantile_error = True, {"openpi": 0.0, "published": 0.0}, 0.0
    for key in _KEYS:
        samples = np.sort(np.asarray(tables[key], np.float64).reshape(-1, tables[key].shape[-1]), axis=0)
        n, std = len(samples), samples.std(axis=0)
        places = {"minimum": 1, "q01": -(-n // 100), "q99": -(-n * 99 // 100), "maximum": n}
        exact &= all(np.array_equal(getattr(ours[key], field), samples[at - 1]) for field, at in places.items())
        for way, found in (("openpi", ours), ("published", theirs)):
            for field, expected in (("mean", samples.mean(axis=0)), ("std", std)):
                error = np.max(np.abs(getattr(found[key], field) - expected) / std)
                errors[way] = max(errors[way], float(error))
        for share, quantile in ((0.01, theirs[key].q01), (0.99, theirs[key].q99)):
            low, high = (samples[round((n - 1) * at)] for at in (share - 0.005, share + 0.005))
            outside = np.maximum(low - quantile, quantile - high) / (samples[-1] - samples[0])
            quantile_error = max(quantile_error, float(outside.max()))
    return {
        "exact": float(exact),
        "mean_std_error": errors["openpi"],
        "published_mean_std_error": errors["published"],
        "published_quantile_error": quantile_error,
    }


def open_dataset(root: pathlib.Path, horizon: int) -> reader.LeRobotDataset:
    return reader.LeRobotDataset(root, delta_timestamps={"action": [i / table_reading.FPS for i in range(horizon)]})


def transform() -> Any:
    """What the configuration of an ALOHA robot measures."""
    return build_transforms.statistics(schema.base_config("benchmark", robot=robots.aloha()))


def published(dataset: reader.LeRobotDataset, num_frames: int) -> dict[str, Any]:
    """Item by item, as a data loader gives them; then in batches of float32."""
    each, running = transform(), {key: running_stats.RunningStats() for key in _KEYS}
    for start in range(0, num_frames, _BATCH):
        items = [each(dataset[row]) for row in range(start, start + _BATCH)]
        for key, stats in running.items():
            stats.update(np.stack([item[key] for item in items]).astype(np.float32))
    return {key: stats.get_statistics() for key, stats in running.items()}
