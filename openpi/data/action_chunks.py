"""The action chunks of a dataset, normalized as a model is trained on them."""

import numpy as np

from openpi.data import dataset as dataset_lib
from openpi.data import table_blocks


def read(
    dataset: dataset_lib.Recorded, transform: table_blocks.Transform, *, max_chunks: int | None = None
) -> np.ndarray:
    """Reads the chunk that begins at each frame. No image is decoded; a bar is shown on a terminal.

    Args:
      dataset: with the `delta_timestamps` of training, or a mixture of such: then of all of its datasets.
      transform: repack, robot inputs and normalization, of tables: rows stacked, [n, ...].
      max_chunks: read so many only, chosen at random with a fixed seed; None means all.

    Returns:
      float32 [N, H, D].

    Raises:
      ValueError: the transform gives no `actions`, or they hold a value that is not finite.
    """
    rows = table_blocks.choose(len(dataset), max_chunks)
    chunks = []
    with table_blocks.progress("read", "chunk", len(rows)) as bar:
        for block in table_blocks.read(dataset, rows, transform, ("actions",)):
            chunks.append(block["actions"].astype(np.float32))
            bar.update(len(chunks[-1]))
    return np.concatenate(chunks)
