"""The rate of lerobot's own loading: its dataset through torch's DataLoader, in random order."""

import dataclasses
import itertools
import pathlib
import time
from typing import Any

import torch
from lerobot.datasets import lerobot_dataset

from openpi.data.lerobot_package import ffmpeg


@dataclasses.dataclass(frozen=True)
class Setting:
    """How the loader is set up."""

    workers: int  # processes of the DataLoader; 0: the caller's own
    threads: int  # of torch in the caller's process; 0: torch's default. DataLoader's workers always have one
    batch_size: int
    prefetch: int = 4  # batches that each worker reads ahead


def measure(
    root: pathlib.Path, setting: Setting, *, chunk_key: str = "action", chunk_steps: int = 50, seconds: float = 5.0
) -> dict[str, Any]:
    """Reads for some time in random order. Call it once a process: torch's threads and forks are of the process.

    Args:
      root: a dataset of version 3.0.
      setting: how.
      chunk_key: the feature that is delivered as a chunk.
      chunk_steps: its length.
      seconds: to measure for, from the moment when all workers have delivered.

    Returns:
      samples_per_s, what it was measured over, and the seconds until then.
    """
    begin = time.perf_counter()
    ffmpeg.provide()
    if setting.threads:
        torch.set_num_threads(setting.threads)
    meta = lerobot_dataset.LeRobotDatasetMetadata("benchmark/dataset", root)
    chunk = [step / meta.fps for step in range(chunk_steps)]
    dataset = lerobot_dataset.LeRobotDataset("benchmark/dataset", root, delta_timestamps={chunk_key: chunk})
    loader = torch.utils.data.DataLoader(
        dataset,
        batch_size=setting.batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=setting.workers,
        prefetch_factor=setting.prefetch if setting.workers else None,
        persistent_workers=bool(setting.workers),
        multiprocessing_context="fork"
        if setting.workers
        else None,  # as when it is used plainly; this process is spawned
        generator=torch.Generator().manual_seed(0),
    )
    batches = itertools.chain.from_iterable(itertools.repeat(loader))
    # Long enough to open the videos, and to use up what was read ahead while the workers started.
    for _ in range(1 + 2 * setting.workers):
        first = next(batches)
    cameras = sorted(key for key in first if key in dataset.meta.camera_keys)
    start = time.perf_counter()
    samples = 0
    while (elapsed := time.perf_counter() - start) < seconds or not samples:
        samples += len(next(batches)["index"])
    return {
        **dataclasses.asdict(setting),
        "samples_per_s": samples / elapsed,
        "samples": samples,
        "seconds": elapsed,
        "start_seconds": start - begin,
        "torch_threads": torch.get_num_threads(),
        "images": {key: list(first[key].shape) for key in cameras},
        "chunk": list(first[chunk_key].shape),
    }
