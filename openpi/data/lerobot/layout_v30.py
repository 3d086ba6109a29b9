"""Where a v3 dataset keeps its tasks and episodes: parquet tables in `meta`, files of many episodes each."""

import pathlib
from collections.abc import Callable

import numpy as np
import pyarrow as pa

from openpi.data.lerobot import episodes as lerobot_episodes
from openpi.data.lerobot import info as lerobot_info
from openpi.data.lerobot import json_text, parquet_file

TASKS_PATH = "meta/tasks.parquet"

_MAX_TASKS = 1 << 24


def episodes_file(chunk: int, number: int) -> str:
    """A table of episodes."""
    return f"meta/episodes/chunk-{chunk:03d}/file-{number:03d}.parquet"


def load_tasks(root: pathlib.Path) -> tuple[str, ...]:
    """The instructions by task_index."""
    path = root / TASKS_PATH
    names, num_rows = parquet_file.read(path, lambda file: (file.schema_arrow.names, file.metadata.num_rows))
    texts = [name for name in names if name != "task_index"]
    if "task_index" not in names or len(texts) != 1:
        raise ValueError(f"{path}: has columns {names}, expected task_index and the task's text")
    if num_rows > _MAX_TASKS:
        raise ValueError(f"{path}: has {num_rows} rows, more than the {_MAX_TASKS} tasks that can be read")
    table = parquet_file.columns(path, names)
    by_index = dict(zip(table["task_index"].to_pylist(), table[texts[0]].to_pylist(), strict=True))
    in_order = all(isinstance(index, int) for index in by_index) and sorted(by_index) == list(range(len(table)))
    if not in_order or not all(isinstance(text, str) for text in by_index.values()):
        raise ValueError(f"{path}: task_index must count from 0, each with a text: {json_text.AGAIN}")
    return tuple(by_index[i] for i in range(len(by_index)))


def load_episodes(root: pathlib.Path, info: lerobot_info.Info) -> lerobot_episodes.Episodes:
    """The episodes' places, without their statistics."""
    table = _load_table(root / "meta/episodes", info)
    start, stop, index = table["dataset_from_index"], table["dataset_to_index"], table["episode_index"]
    files, file, first = _files(root, table["data/chunk_index"], table["data/file_index"], info.data_file)
    spans = {}
    for key in info.video_keys:
        videos, video, _ = _files(
            root,
            table[f"videos/{key}/chunk_index"],
            table[f"videos/{key}/file_index"],
            lambda chunk, number, key=key: info.video_file(key, chunk, number),
        )
        spans[key] = lerobot_episodes.VideoSpans(videos, video, table[f"videos/{key}/from_timestamp"])
    return lerobot_episodes.Episodes(start, stop, index, files, file, start - start[first], spans)


def _load_table(folder: pathlib.Path, info: lerobot_info.Info) -> dict[str, np.ndarray]:
    paths = sorted(folder.glob("*/*.parquet"))
    if not paths:
        raise FileNotFoundError(f"{folder} holds no parquet file: the dataset is incomplete, {json_text.AGAIN}")
    num_rows = sum(parquet_file.read(path, lambda file: file.metadata.num_rows) for path in paths)
    if num_rows < info.total_episodes:
        raise ValueError(
            f"{folder}: {num_rows} episodes, and {lerobot_info.INFO_PATH} says {info.total_episodes}: the dataset is incomplete "
            f"(was it finalized?), {json_text.AGAIN}"
        )
    kinds: dict[str, type] = dict.fromkeys(
        ("episode_index", "dataset_from_index", "dataset_to_index", "data/chunk_index", "data/file_index"), np.int64
    )
    for key in info.video_keys:
        kinds |= dict.fromkeys((f"videos/{key}/chunk_index", f"videos/{key}/file_index"), np.int64)
        kinds[f"videos/{key}/from_timestamp"] = np.float64
    parts: dict[str, list[np.ndarray]] = {name: [] for name in kinds}
    for path in paths:
        part = parquet_file.columns(path, list(kinds))
        for name, kind in kinds.items():
            parts[name].append(_numbers(path, name, part[name], kind))
    # An episode beyond those of info.json is being saved, or its saving was broken off: see appender.
    table = {name: np.concatenate(arrays)[: info.total_episodes] for name, arrays in parts.items()}
    start, stop = table["dataset_from_index"], table["dataset_to_index"]
    if not len(start):
        raise ValueError(f"{folder}: the dataset has no episodes: record some")
    if not np.array_equal(table["episode_index"], np.arange(len(start))):
        raise ValueError(f"{folder}: episode_index does not count from 0: the dataset is incomplete, {json_text.AGAIN}")
    if start[0] != 0 or np.any(stop <= start) or np.any(start[1:] != stop[:-1]):
        raise ValueError(
            f"{folder}: dataset_from_index and dataset_to_index do not follow one another: {json_text.AGAIN}"
        )
    if stop[-1] != info.total_frames:
        raise ValueError(
            f"{folder}: {len(start)} episodes of {stop[-1]} frames, and {lerobot_info.INFO_PATH} says "
            f"{info.total_episodes} of {info.total_frames}: the dataset is incomplete (was it finalized?), "
            f"{json_text.AGAIN}"
        )
    return table


def _numbers(path: pathlib.Path, name: str, column: pa.ChunkedArray, kind: type) -> np.ndarray:
    try:
        array = parquet_file.values(column)
    except ValueError as error:
        raise ValueError(f"{path}: column {name!r} {error}: {json_text.AGAIN}") from error
    if array.dtype.kind not in ("iu" if kind is np.int64 else "iuf"):
        raise ValueError(f"{path}: column {name!r} is {array.dtype}, expected {np.dtype(kind)}: {json_text.AGAIN}")
    if len(array) and (array.min() < 0 or not np.all(np.isfinite(array))):
        raise ValueError(f"{path}: column {name!r} is {array.min()} somewhere, and must not be: {json_text.AGAIN}")
    return array.astype(kind)


def _files(
    root: pathlib.Path, chunk: np.ndarray, number: np.ndarray, name: Callable[[int, int], str]
) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """The files that episodes lie in: (their paths, each episode's file int64 [E], the first episode of that file)."""
    places, first, file = np.unique(np.stack([chunk, number], axis=1), axis=0, return_index=True, return_inverse=True)
    return tuple(f"{root}/{name(*place)}" for place in places.tolist()), file.reshape(-1), first[file.reshape(-1)]
