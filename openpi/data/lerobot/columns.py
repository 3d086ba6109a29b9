"""Reads the tables of frames of all episodes into one array a feature, and tells which episodes cannot be read."""

import itertools
import math
import os
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from openpi.data.lerobot import episodes as lerobot_episodes
from openpi.data.lerobot import info as lerobot_info
from openpi.data.lerobot import json_text, parquet_file

Problems = dict[int, Exception]  # place among the episodes -> what is wrong with it
Columns = dict[str, np.ndarray]

_KINDS = {"b": "b", "i": "biu", "u": "biu", "f": "biuf"}  # numpy kind of a feature -> kinds it may be stored as
_AT_ONCE = 256  # tables
_GIB = 1 << 30
TEXT = np.dtypes.StringDType()  # no Python object a row


def load(
    features: Mapping[str, lerobot_info.Feature], episodes: lerobot_episodes.Episodes, images: Sequence[str] = ()
) -> tuple[Columns, Problems]:
    """Reads the columns of `features`: [N, ...] of the feature's shape, [N] for scalars.

    Args:
      features: no images.
      episodes: where they lie.
      images: further columns that the files must have.

    Returns:
      (The columns over the rows of the episodes that have no problem; the problems.)

    Raises:
      ValueError: they are larger than this machine's memory.
    """
    numbers = [feature for feature in features.values() if feature.dtype != "string"]
    row_bytes = sum(np.dtype(feature.dtype).itemsize * math.prod(feature.shape) for feature in numbers)
    needed, memory = row_bytes * int(episodes.stop[-1]), os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed > memory:
        raise ValueError(
            f"{episodes.files[0]} and the other tables have {episodes.stop[-1]} frames by the metadata: they need "
            f"{needed / _GIB:.0f} GiB, and this machine has {memory / _GIB:.0f} GiB of memory: {json_text.AGAIN}, or read it elsewhere"
        )
    batch = _Batch(features, episodes)
    for file, of_file in _by_file(episodes):
        try:
            batch.add(file, _read(file, of_file, list(features), images, episodes))
        except (ValueError, FileNotFoundError) as error:
            batch.problems |= dict.fromkeys(of_file, error)
    return batch.finish(), batch.problems


class _Batch:
    """Converts tables as they come, some hundred small ones at once, so that none is held for long."""

    def __init__(self, features: Mapping[str, lerobot_info.Feature], episodes: lerobot_episodes.Episodes) -> None:
        self._features, self._episodes = features, episodes
        self._tables: list[tuple[int, pa.Table]] = []  # (file, its table), all with the same types of columns
        self._parts: dict[str, list[np.ndarray]] = {key: [] for key in features}
        self.problems: Problems = {}

    def add(self, file: int, table: pa.Table) -> None:
        """Takes the table of the next file."""
        if len(self._tables) == _AT_ONCE or (self._tables and not table.schema.equals(self._tables[0][1].schema)):
            self._flush()
        self._tables.append((file, table))

    def finish(self) -> Columns:
        """The columns of all tables in which nothing is wrong; none where there is no such table."""
        self._flush()
        return {key: _join(self._parts.pop(key)) for key in self._features} if any(self._parts.values()) else {}

    def _flush(self) -> None:
        tables, self._tables = self._tables, []
        if not tables:
            return
        try:
            self._keep(pa.concat_tables([table for _, table in tables]))
        except ValueError:  # which of them is it?
            for file, table in tables:
                try:
                    self._keep(table)
                except ValueError as error:
                    of_file = np.flatnonzero(self._episodes.file == file).tolist()
                    text = (
                        f"{self._episodes.files[file]} ({_where(of_file, self._episodes)}): {error}: {json_text.AGAIN}"
                    )
                    self.problems |= dict.fromkeys(of_file, ValueError(text))

    def _keep(self, table: pa.Table) -> None:
        for key, values in _convert(table, self._features).items():
            self._parts[key].append(values)


def _by_file(episodes: lerobot_episodes.Episodes) -> list[tuple[int, list[int]]]:
    """(file, its episodes), files in the order of their rows."""
    edges = [0, *(np.flatnonzero(np.diff(episodes.file)) + 1).tolist(), len(episodes)]
    return [(int(episodes.file[first]), list(range(first, last))) for first, last in itertools.pairwise(edges)]


def _where(of_file: Sequence[int], episodes: lerobot_episodes.Episodes) -> str:
    first, last = episodes.index[of_file[0]], episodes.index[of_file[-1]]
    return f"episode {first}" if first == last else f"episodes {first} to {last}"


def _read(
    file: int, of_file: Sequence[int], names: Sequence[str], images: Sequence[str], episodes: lerobot_episodes.Episodes
) -> pa.Table:
    path, where = episodes.files[file], _where(of_file, episodes)
    num_frames = int(episodes.stop[of_file[-1]] - episodes.start[of_file[0]])
    return parquet_file.columns(path, names, where, num_frames=num_frames, others=images)


def _convert(table: pa.Table, features: Mapping[str, lerobot_info.Feature]) -> Columns:
    out = {}
    for key, feature in features.items():
        try:
            out[key] = _column(table[key], feature)
        except ValueError as error:
            raise ValueError(f"column {key!r} {error}") from error
    return out


def _column(column: pa.ChunkedArray, feature: lerobot_info.Feature) -> np.ndarray:
    shape = feature.shape
    if shape == (1,) and not parquet_file.is_nested(column.type):
        values = parquet_file.values(column)
    else:
        values = parquet_file.values(column, shape)
        values = values[:, 0] if shape == (1,) else values
    if feature.dtype == "string":
        if values.dtype.kind != "O" or not all(isinstance(text, str) for text in values.flat):
            raise ValueError(f"has values of {values.dtype}, and info.json says text")
        return values.astype(TEXT)
    dtype = np.dtype(feature.dtype)
    if values.dtype.kind not in _KINDS[dtype.kind]:
        raise ValueError(f"has values of {values.dtype}, and info.json says {feature.dtype}")
    if values.dtype.kind in "iu" and dtype.kind in "iu" and not np.can_cast(values.dtype, dtype) and len(values):
        limits = np.iinfo(dtype)
        if values.min() < limits.min or values.max() > limits.max:
            raise ValueError(f"has values from {values.min()} to {values.max()}, and info.json says {feature.dtype}")
    return values.astype(dtype, copy=False)


def _join(parts: list[np.ndarray]) -> np.ndarray:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
