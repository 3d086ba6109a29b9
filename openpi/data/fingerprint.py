"""Tells whether two datasets are the same recording, wherever it lies."""

import hashlib

import numpy as np

from openpi.data import dataset as dataset_lib

_ROWS = 64  # whose numbers count, spread evenly


def fingerprint(dataset: dataset_lib.Recorded) -> str:
    """Sixteen hexadecimal digits which follow from the dataset's episodes, instructions and some of its numbers.

    Of an action chunk the first step counts, whatever the horizon.
    """
    digest = hashlib.sha256(f"{len(dataset)} {dataset.fps:g}".encode())
    digest.update("\0".join(dataset.tasks).encode())
    digest.update(np.asarray(dataset.episodes.stop, np.int64).tobytes())
    rows = np.linspace(0, len(dataset) - 1, min(_ROWS, len(dataset))).round().astype(np.int64)
    tables = dataset.read_tables(rows)
    for key in sorted(tables):
        values = tables[key][:, 0] if f"{key}_is_pad" in tables else tables[key]
        if not key.endswith("_is_pad"):
            digest.update(f"{key} {values.dtype} {values.shape}".encode())
            digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()[:16]
