"""Reads the parquet tables of a LeRobot v3.0 dataset into numpy arrays, checked against its info.json."""

import dataclasses
import itertools
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from openpi.data.lerobot import info as lerobot_info

AGAIN = "fetch or record the dataset again"  # how to mend a damaged dataset

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class VideoSpans:
    """Where each episode lies in the videos of one camera."""

    chunk_index: np.ndarray  # int64 [E]
    file_index: np.ndarray  # int64 [E]
    from_timestamp: np.ndarray  # float64 [E], seconds


@dataclasses.dataclass(frozen=True)
class Episodes:
    """The episodes in order: rows `start[e]` to `stop[e]` (exclusive) of the dataset."""

    start: np.ndarray  # int64 [E]
    stop: np.ndarray  # int64 [E]
    chunk_index: np.ndarray  # int64 [E], with file_index: the parquet file that holds the episode
    file_index: np.ndarray  # int64 [E]
    videos: Mapping[str, VideoSpans]

    def __len__(self) -> int:
        return len(self.start)

    def of_row(self, row: int) -> int:
        """The episode that holds a row."""
        return int(np.searchsorted(self.stop, row, side="right"))


@dataclasses.dataclass(frozen=True)
class DataFile:
    """A parquet file of frames: rows `start` to `stop` of the dataset."""

    path: pathlib.Path
    start: int
    stop: int


def load_tasks(root: pathlib.Path) -> tuple[str, ...]:
    """The instructions by task_index."""
    path = root / lerobot_info.TASKS_PATH
    table = read_parquet(path, lambda file: file.read())
    texts = [name for name in table.column_names if name != "task_index"]
    if "task_index" not in table.column_names or len(texts) != 1:
        raise ValueError(f"{path}: has columns {table.column_names}, expected task_index and the task's text")
    by_index = dict(zip(table["task_index"].to_pylist(), table[texts[0]].to_pylist(), strict=True))
    if sorted(by_index) != list(range(len(by_index))) or not all(isinstance(text, str) for text in by_index.values()):
        raise ValueError(f"{path}: task_index must count from 0, each with a text")
    return tuple(by_index[i] for i in range(len(by_index)))


def load_episodes(root: pathlib.Path, info: lerobot_info.Info) -> Episodes:
    """The episodes' places, without their statistics."""
    folder = root / "meta/episodes"
    paths = sorted(folder.glob("*/*.parquet"))
    if not paths:
        raise FileNotFoundError(f"{folder} holds no parquet file: the dataset is incomplete, {AGAIN}")
    names = ("episode_index", "dataset_from_index", "dataset_to_index", "data/chunk_index", "data/file_index")
    columns: dict[str, type] = dict.fromkeys(names, np.int64)
    videos = [key for key, feature in info.features.items() if feature.dtype == "video"]
    for key in videos:
        columns |= {
            f"videos/{key}/chunk_index": np.int64,
            f"videos/{key}/file_index": np.int64,
            f"videos/{key}/from_timestamp": np.float64,
        }
    parts = [read_parquet(path, lambda file, path=path: _select(file, list(columns), path)) for path in paths]
    table = {
        name: np.concatenate([_to_numpy(part[name], folder, name) for part in parts]).astype(kind)
        for name, kind in columns.items()
    }
    start, stop = table["dataset_from_index"], table["dataset_to_index"]
    if not len(start):
        raise ValueError(f"{folder}: the dataset has no episodes: record some")
    if not np.array_equal(table["episode_index"], np.arange(len(start))):
        raise ValueError(f"{folder}: episode_index does not count from 0: the dataset is incomplete, {AGAIN}")
    if start[0] != 0 or np.any(stop <= start) or np.any(start[1:] != stop[:-1]):
        raise ValueError(f"{folder}: dataset_from_index and dataset_to_index do not follow one another: {AGAIN}")
    if len(start) != info.total_episodes or stop[-1] != info.total_frames:
        raise ValueError(
            f"{folder}: {len(start)} episodes of {stop[-1]} frames, and {lerobot_info.INFO_PATH} says "
            f"{info.total_episodes} of {info.total_frames}: the dataset is incomplete (was it finalized?), {AGAIN}"
        )
    negative = [name for name in columns if name.endswith("_index") and table[name].min() < 0]
    if negative:
        raise ValueError(f"{folder}: {negative[0]} is negative: {AGAIN}")
    spans = {
        key: VideoSpans(*(table[f"videos/{key}/{name}"] for name in ("chunk_index", "file_index", "from_timestamp")))
        for key in videos
    }
    return Episodes(start, stop, table["data/chunk_index"], table["data/file_index"], spans)


def data_files(root: pathlib.Path, info: lerobot_info.Info, episodes: Episodes) -> list[DataFile]:
    """The parquet files of frames, in the order of their rows."""
    places = np.stack([episodes.chunk_index, episodes.file_index], axis=1)
    first = np.flatnonzero(np.any(places[1:] != places[:-1], axis=1)) + 1
    edges = [0, *first, len(episodes)]
    files = []
    for begin, end in itertools.pairwise(edges):
        path = root / info.data_file(*map(int, places[begin]))
        start, stop = int(episodes.start[begin]), int(episodes.stop[end - 1])
        num_rows = read_parquet(path, lambda file: file.metadata.num_rows, f"episodes {begin} to {end - 1}")
        if num_rows != stop - start:
            raise ValueError(
                f"{path}: has {num_rows} frames, and its episodes {begin} to {end - 1} have {stop - start}: {AGAIN}"
            )
        files.append(DataFile(path, start, stop))
    return files


def load_columns(
    files: Sequence[DataFile], features: Mapping[str, lerobot_info.Feature], episodes: Episodes
) -> dict[str, np.ndarray]:
    """The columns of `features` (no images) as read-only arrays: [N, ...] of the feature's shape, [N] for scalars."""
    parts: dict[str, list[np.ndarray]] = {key: [] for key in features}
    for file in files:
        where = f"episodes {episodes.of_row(file.start)} to {episodes.of_row(file.stop - 1)}"
        table = read_parquet(file.path, lambda opened, path=file.path: _select(opened, list(features), path), where)
        for key, feature in features.items():
            values = _to_numpy(table[key], file.path, key)
            shape = (len(table),) if feature.shape == (1,) else (len(table), *feature.shape)
            numeric = values.dtype.kind in "biuf"
            if values.size != int(np.prod(shape)) or numeric == (feature.dtype == "string"):
                raise ValueError(
                    f"{file.path}: feature {key!r} has {values.size / len(table):g} values of {values.dtype} a frame, "
                    f"and info.json says {feature.dtype} {list(feature.shape)}: {AGAIN}"
                )
            parts[key].append(values.reshape(shape).astype(feature.dtype if numeric else object, copy=False))
    columns = {key: np.concatenate(values) for key, values in parts.items()}
    for column in columns.values():
        column.flags.writeable = False
    return columns


def read_parquet(path: pathlib.Path, read: Callable[[pq.ParquetFile], T], where: str = "") -> T:
    """Opens a parquet file and reads from it; failures name the file (and `where`, what it holds)."""
    what = f"{path} ({where})" if where else str(path)
    if not path.is_file():
        raise FileNotFoundError(f"{what} is missing: the dataset is incomplete, {AGAIN}")
    try:
        with pq.ParquetFile(path) as file:
            return read(file)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{what} is no readable parquet file ({' '.join(str(error).split())}): {AGAIN}") from error


def _select(file: pq.ParquetFile, columns: list[str], path: pathlib.Path) -> pa.Table:
    missing = [name for name in columns if name not in file.schema_arrow.names]
    if missing:
        raise ValueError(
            f"{path}: has no column {missing[0]!r}, which the dataset's info.json names; it has "
            f"{', '.join(file.schema_arrow.names)}"
        )
    return file.read(columns=columns)


def _to_numpy(column: pa.ChunkedArray, path: pathlib.Path, name: str) -> np.ndarray:
    array: Any = column.combine_chunks()
    while True:
        if isinstance(array, pa.ChunkedArray):  # an empty column stays chunked
            array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
        if array.null_count:
            raise ValueError(f"{path}: column {name!r} has {array.null_count} empty values: {AGAIN}")
        if isinstance(array, pa.ExtensionArray):
            array = array.storage
        elif (
            pa.types.is_list(array.type)
            or pa.types.is_large_list(array.type)
            or pa.types.is_fixed_size_list(array.type)
        ):
            array = array.flatten()
        else:
            return array.to_numpy(zero_copy_only=False)


def row_group_of(file: pq.ParquetFile, row: int, column: str) -> tuple[int, pa.ChunkedArray]:
    """The row group that holds `row` of the file: its first row, and its values of one column."""
    first = 0
    for group in range(file.metadata.num_row_groups):
        size = file.metadata.row_group(group).num_rows
        if row < first + size:
            return first, file.read_row_group(group, columns=[column])[column]
        first += size
    raise ValueError(f"row {row} lies behind the file's {first} rows")
