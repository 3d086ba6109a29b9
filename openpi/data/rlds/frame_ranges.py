"""Which frames of DROID are trained on: episodes that succeeded, ranges that are not idle."""

import json
import pathlib
from collections.abc import Mapping

import numpy as np

from openpi.data.rlds import index as rlds_index

_MAX_JSON_BYTES = 1 << 30
Ranges = Mapping[str, list[list[int]]]  # episode key -> [start, end) steps


def episode_key(metadata: list[str]) -> str:
    """How a file of ranges names an episode, of its `recording_folderpath` and `file_path`."""
    return "--".join(metadata)


def load(path: pathlib.Path) -> Ranges:
    """Reads a file of ranges.

    Raises:
      FileNotFoundError: it is not there.
      ValueError: it is none.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no file of frame ranges at {path}: correct the filter of config.data.rlds.datasets")
    size = path.stat().st_size
    if size > _MAX_JSON_BYTES:
        raise ValueError(f"{path} has {size} bytes, more than the {_MAX_JSON_BYTES} that a file of ranges may have")
    try:
        ranges = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no JSON ({error}): fetch it again") from None
    if not isinstance(ranges, dict):
        raise ValueError(f"{path} is no file of frame ranges: it holds a {type(ranges).__name__}, no object")
    for key, spans in ranges.items():
        if not isinstance(spans, list) or not all(map(_is_range, spans)):
            raise ValueError(f"{path}: episode {key!r} has ranges {str(spans)[:80]}, expected [[start, end], ...]")
    return ranges


def usable_rows(index: rlds_index.Index, *, ranges: Ranges | None, only_success: bool) -> np.ndarray:
    """The rows of the index to train on, ascending, int64.

    Args:
      index: its metadata are `recording_folderpath` and `file_path`.
      ranges: frames outside them are left out, and so are episodes that they do not name; None keeps all.
      only_success: keep only episodes whose `file_path` contains "success".
    """
    rows = []
    for episode, metadata in enumerate(index.metadata):
        if only_success and "success" not in metadata[1]:
            continue
        length = int(index.stop[episode] - index.start[episode])
        keep = np.ones(length, bool)
        if ranges is not None:
            keep[:] = False
            for start, end in ranges.get(episode_key(metadata), ()):
                keep[start:end] = True  # a range beyond the episode's end is cut
        rows.append(index.start[episode] + np.flatnonzero(keep))
    return np.concatenate([np.zeros(0, np.int64), *rows])


def _is_range(span: object) -> bool:
    return isinstance(span, list) and len(span) == 2 and all(type(end) is int and end >= 0 for end in span)
