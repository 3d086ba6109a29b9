"""The action chunks of a dataset, normalized as a model is trained on them."""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import tqdm

from openpi.data.lerobot import reader


def read(
    dataset: reader.LeRobotDataset,
    transform: Callable[[dict[str, Any]], dict[str, Any]],
    *,
    max_chunks: int | None = None,
) -> np.ndarray:
    """Reads the chunk that begins at each frame. No image is decoded; a bar is shown on a terminal.

    Args:
      dataset: with the `delta_timestamps` of training.
      transform: repack, robot inputs and normalization.
      max_chunks: read so many only, chosen at random with a fixed seed; None means all.

    Returns:
      float32 [N, H, D].

    Raises:
      ValueError: the transform gives no `actions`, or they hold a value that is not finite.
    """
    rows = np.arange(len(dataset))
    if max_chunks is not None and max_chunks < len(rows):
        rows = np.sort(np.random.default_rng(0).choice(rows, max_chunks, replace=False))
    frames = dataset.without_images()
    chunks = []
    for row in tqdm.tqdm(rows, desc="read", unit="chunk", disable=not sys.stderr.isatty()):
        sample = transform(frames[int(row)])
        if "actions" not in sample:
            raise ValueError(
                f"the data transforms give no 'actions', only {sorted(sample)}: correct config.data.repack"
            )
        chunk = np.asarray(sample["actions"], np.float32)
        if not np.isfinite(chunk).all():
            raise ValueError(f"'actions' of frame {row} hold a value that is not finite: correct the dataset")
        chunks.append(chunk)
    return np.stack(chunks)
