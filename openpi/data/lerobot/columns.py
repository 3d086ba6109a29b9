"""Reads the tables of frames of all episodes into one array a feature, and tells which episodes cannot be read."""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from openpi.data.lerobot import episodes as lerobot_episodes
from openpi.data.lerobot import info as lerobot_info
from openpi.data.lerobot import json_text, parquet_file

Problems = dict[int, Exception]  # place among the episodes -> what is wrong with it
Columns = dict[str, np.ndarray]

_KINDS = {"b": "b", "i": "biu", "u": "biu", "f": "biuf"}  # numpy kind of a feature -> kinds it may be stored as
TEXT = np.dtypes.StringDType()  # no Python object a row


def load(features: Mapping[str, lerobot_info.Feature], episodes: lerobot_episodes.Episodes) -> tuple[Columns, Problems]:
    """Reads the columns of `features` (no images): [N, ...] of the feature's shape, [N] for scalars.

    Returns:
      (The columns over the rows of the episodes that have no problem; the problems.)
    """
    problems: Problems = {}
    tables: list[tuple[int, pa.Table]] = []  # by file, in the order of the rows
    for file, of_file in _by_file(episodes):
        try:
            tables.append((file, _read(file, of_file, list(features), episodes)))
        except (ValueError, FileNotFoundError) as error:
            problems |= dict.fromkeys(of_file, error)
    parts: list[Columns] = []
    for _, run in itertools.groupby(tables, _Schemas()):
        alike = list(run)
        try:
            parts.append(_convert(pa.concat_tables([table for _, table in alike]), features))
        except ValueError:  # which of them is it?
            for file, table in alike:
                try:
                    parts.append(_convert(table, features))
                except ValueError as error:
                    where = _where(np.flatnonzero(episodes.file == file), episodes)
                    wrong = ValueError(f"{episodes.files[file]} ({where}): {error}: {json_text.AGAIN}")
                    problems |= dict.fromkeys(map(int, np.flatnonzero(episodes.file == file)), wrong)
    columns = {key: _join([part[key] for part in parts]) for key in features} if parts else {}
    return columns, problems


class _Schemas:
    """The key that `groupby` gets: the same number for neighbours whose columns have the same types."""

    def __init__(self) -> None:
        self._number, self._schema = 0, None

    def __call__(self, item: tuple[int, pa.Table]) -> int:
        schema = item[1].schema
        if self._schema is None or not schema.equals(self._schema):
            self._number, self._schema = self._number + 1, schema
        return self._number


def _by_file(episodes: lerobot_episodes.Episodes) -> list[tuple[int, list[int]]]:
    """(file, its episodes), files in the order of their rows."""
    edges = [0, *(np.flatnonzero(np.diff(episodes.file)) + 1).tolist(), len(episodes)]
    return [(int(episodes.file[first]), list(range(first, last))) for first, last in itertools.pairwise(edges)]


def _where(of_file: Sequence[int] | np.ndarray, episodes: lerobot_episodes.Episodes) -> str:
    first, last = episodes.index[of_file[0]], episodes.index[of_file[-1]]
    return f"episode {first}" if first == last else f"episodes {first} to {last}"


def _read(file: int, of_file: Sequence[int], names: Sequence[str], episodes: lerobot_episodes.Episodes) -> pa.Table:
    path, where = episodes.files[file], _where(of_file, episodes)
    table = parquet_file.columns(path, names, where)
    expected = int(episodes.stop[of_file[-1]] - episodes.start[of_file[0]])
    if len(table) != expected:
        raise ValueError(
            f"{path} ({where}): has {len(table)} frames, and the metadata says {expected}: {json_text.AGAIN}"
        )
    return table


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
    return values.astype(dtype, copy=False)


def _join(parts: list[np.ndarray]) -> np.ndarray:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
