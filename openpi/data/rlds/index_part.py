"""One file of an RLDS dataset read once: the tables, texts and places of images of its episodes, kept as an .npz file."""

import json
import os
import pathlib
import uuid
from typing import Any

import numpy as np

from openpi.data.rlds import episode as rlds_episode
from openpi.data.rlds import tfrecord

COLUMNS = ("tables", "image_start", "image_size", "text")  # of each step


def write(
    path: pathlib.Path, part: pathlib.Path, layout: rlds_episode.Layout, num_records: int, check_data: bool
) -> pathlib.Path:
    """Reads `path`, one record in memory at a time, and writes what it found to `part`, whole or not at all.

    Returns:
      `path`.

    Raises:
      ValueError: the file is damaged, or has not `num_records` records; names file and record.
    """
    columns: dict[str, list[np.ndarray]] = {
        "tables": [np.zeros((0, layout.width), np.float32)],
        "image_start": [np.zeros((0, len(layout.images)), np.int64)],
        "image_size": [np.zeros((0, len(layout.images)), np.int32)],
        "text": [np.zeros((0, len(layout.texts)), np.int32)],
    }
    lengths, metadata, texts = [], [], {}
    for number, record in enumerate(tfrecord.read(path, check_data=check_data)):
        try:
            found = rlds_episode.parse(record.data, layout)
        except ValueError as error:
            raise ValueError(f"{path}: record {number}: {error}") from None
        ids = [[texts.setdefault(text, len(texts)) for text in column] for column in found.texts]
        columns["tables"].append(found.tables)
        columns["image_start"].append(found.image_start + record.start)
        columns["image_size"].append(found.image_size.astype(np.int32))
        columns["text"].append(np.array(ids, np.int32).reshape(len(layout.texts), len(found)).T)
        lengths.append(len(found))
        metadata.append(found.metadata)
    if len(lengths) != num_records:
        raise ValueError(
            f"{path} has {len(lengths)} records and dataset_info.json tells {num_records}: fetch that file again"
        )
    arrays: dict[str, Any] = {key: np.concatenate(values) for key, values in columns.items()}
    arrays["lengths"] = np.array(lengths, np.int64)
    arrays["described"] = np.frombuffer(json.dumps({"texts": list(texts), "metadata": metadata}).encode(), np.uint8)
    partial = part.with_name(f".{part.name}.partial-{uuid.uuid4().hex[:8]}")
    try:
        with partial.open("wb") as out:
            np.savez(out, **arrays)
            out.flush()
            os.fsync(out.fileno())
        partial.replace(part)
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror}, while the index was written", str(part)) from None
    finally:
        partial.unlink(missing_ok=True)
    return path
