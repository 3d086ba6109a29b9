"""Writes a dataset of format v3.0: parquet and mp4 files that hold many episodes each.

Source: the LeRobot dataset format v3.0, as lerobot 0.4 writes it.
"""

import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from openpi.data.lerobot import feature_stats, json_text, layout_v30, parquet_file, recorded, table_schema, video
from openpi.data.lerobot import info as lerobot_info


class StoreV30:
    """Where the writer puts the episodes of a v3.0 dataset."""

    def __init__(
        self,
        root: pathlib.Path,
        info: lerobot_info.Info,
        encodings: Mapping[str, video.Encoding],
        *,
        first_file: int = 0,
    ) -> None:
        """Args:
        root: an empty folder.
        info: the features, paths and sizes of files; its counts are of no account.
        encodings: of the features of dtype "video".
        first_file: files of tables and videos are numbered from here.
        """
        self._root, self._info, self._encodings, self._first_file = root, info, encodings, first_file
        self._schema = table_schema.of(info)
        self._rows: list[dict[str, Any]] = []
        self._pixels = {key: feature_stats.PixelHistogram() for key, f in info.features.items() if f.is_image}
        self._table_file: _TableFile | None = None
        self._video_files: dict[str, tuple[int, video.VideoFile]] = {}

    def add(self, episode: recorded.Episode) -> None:
        """Writes an episode."""
        row = {"episode_index": episode.index, "tasks": [episode.task], "length": episode.length}
        row |= self._write_table(episode.columns)
        row |= {"dataset_from_index": episode.start, "dataset_to_index": episode.start + episode.length}
        for key, packets in episode.packets.items():
            row |= self._write_video(key, packets)
        for key, stats in episode.stats(self._info.features).items():
            row |= {f"stats/{key}/{name}": value for name, value in feature_stats.to_lists(stats).items()}
        for key, pixels in episode.pixels.items():
            self._pixels[key].merge(pixels)
        chunk, file = divmod(self._first_file, self._info.chunks_size)
        self._rows.append(row | {"meta/episodes/chunk_index": chunk, "meta/episodes/file_index": file})

    def finish(self, info: lerobot_info.Info, tasks: Mapping[str, int]) -> None:
        """Writes the metadata, info.json aside, once the files are closed.

        Args:
          info: of the whole dataset.
          tasks: the instructions -> their numbers.
        """
        episodes = self._root / layout_v30.episodes_file(*divmod(self._first_file, info.chunks_size))
        episodes.parent.mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(self._rows), episodes, compression="snappy")
        pq.write_table(_tasks_table(tasks), self._root / layout_v30.TASKS_PATH, compression="snappy")
        json_text.write(self._root / lerobot_info.STATS_PATH, self._dataset_stats(info.features))

    def close(self) -> None:
        """Closes the files. Safe to call twice."""
        if self._table_file:
            self._table_file.close()
            self._table_file = None
        for _, file in self._video_files.values():
            file.close()
        self._video_files = {}

    def _write_table(self, columns: Mapping[str, Any]) -> dict[str, int]:
        table = table_schema.table(columns, self._schema)
        limit = self._info.data_files_size_in_mb << 20
        if self._table_file and self._table_file.num_bytes + table.nbytes > limit:
            self._table_file.close()
            self._table_file = _TableFile(self._root, self._info, self._table_file.index + 1, self._schema)
        self._table_file = self._table_file or _TableFile(self._root, self._info, self._first_file, self._schema)
        self._table_file.writer.write_table(table, row_group_size=len(table))
        chunk, file = divmod(self._table_file.index, self._info.chunks_size)
        return {"data/chunk_index": chunk, "data/file_index": file}

    def _write_video(self, key: str, packets: Sequence[av.Packet]) -> dict[str, Any]:
        index, file = self._video_files.get(key, (self._first_file - 1, None))
        limit = self._info.video_files_size_in_mb << 20
        if file is None or file.num_bytes + sum(packet.size for packet in packets) > limit:
            if file is not None:
                file.close()
            index += 1
            path = self._root / self._info.video_file(key, *divmod(index, self._info.chunks_size))
            file = video.VideoFile(path, self._encodings[key])
            self._video_files[key] = index, file
        start = file.duration
        file.append(packets)
        chunk, number = divmod(index, self._info.chunks_size)
        values = {"chunk_index": chunk, "file_index": number, "from_timestamp": start, "to_timestamp": file.duration}
        return {f"videos/{key}/{name}": value for name, value in values.items()}

    def _dataset_stats(self, features: Mapping[str, lerobot_info.Feature]) -> dict[str, Any]:
        files = sorted((self._root / "data").rglob("*.parquet"))
        stats = {}
        for key, feature in features.items():
            if feature.is_image:
                stats[key] = feature_stats.to_lists(self._pixels[key].stats())
            elif feature.dtype != "string":
                shape = () if feature.shape == (1,) else feature.shape
                parts = [parquet_file.values(parquet_file.columns(file, [key])[key], shape) for file in files]
                stats[key] = feature_stats.to_lists(feature_stats.of_values(np.concatenate(parts)))
        return stats


class _TableFile:
    """One parquet file of frames, one row group an episode."""

    def __init__(self, root: pathlib.Path, info: lerobot_info.Info, index: int, schema: pa.Schema) -> None:
        self.index = index
        path = root / info.data_file(*divmod(index, info.chunks_size))
        path.parent.mkdir(parents=True, exist_ok=True)
        self._sink = pa.OSFile(str(path), "wb")
        self.writer = pq.ParquetWriter(self._sink, schema, compression="snappy")

    @property
    def num_bytes(self) -> int:
        return self._sink.tell()

    def close(self) -> None:
        self.writer.close()
        self._sink.close()


def _tasks_table(tasks: Mapping[str, int]) -> pa.Table:
    """The table that pandas writes of a frame with the texts as its index, which is how lerobot reads it."""
    table = pa.table(
        {"task_index": pa.array(tasks.values(), pa.int64()), "__index_level_0__": pa.array(tasks, pa.string())}
    )
    column = {"name": None, "pandas_type": "unicode", "numpy_type": "object", "metadata": None}
    described = {
        "index_columns": ["__index_level_0__"],
        "column_indexes": [column | {"field_name": None, "metadata": {"encoding": "UTF-8"}}],
        "columns": [
            {
                "name": "task_index",
                "field_name": "task_index",
                "pandas_type": "int64",
                "numpy_type": "int64",
                "metadata": None,
            },
            column | {"field_name": "__index_level_0__"},
        ],
        "creator": {"library": "pyarrow", "version": pa.__version__},
        "pandas_version": "2.0.0",
    }
    return table.replace_schema_metadata({"pandas": json.dumps(described)})
