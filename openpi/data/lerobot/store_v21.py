"""Writes a dataset of format v2.1: a parquet file an episode, and an mp4 file for each of its cameras.

Source: the LeRobot dataset format v2.1, as lerobot 0.3 writes it.
"""

import pathlib
from collections.abc import Mapping
from typing import Any

import pyarrow.parquet as pq

from openpi.data.lerobot import feature_stats, json_text, layout_v21, recorded, table_schema, video
from openpi.data.lerobot import info as lerobot_info


class StoreV21:
    """Where the writer puts the episodes of a v2.1 dataset."""

    def __init__(self, root: pathlib.Path, info: lerobot_info.Info, encodings: Mapping[str, video.Encoding]) -> None:
        """Args:
        root: an empty folder.
        info: the features and paths; its counts are of no account.
        encodings: of the features of dtype "video".
        """
        self._root, self._info, self._encodings = root, info, encodings
        self._schema = table_schema.of(info)
        self._episodes: list[dict[str, Any]] = []
        self._stats: list[dict[str, Any]] = []

    def add(self, episode: recorded.Episode) -> None:
        """Writes an episode."""
        place = episode.index // self._info.chunks_size, episode.index
        path = self._root / self._info.data_file(*place)
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table_schema.table(episode.columns, self._schema), path, compression="snappy")
        for key, packets in episode.packets.items():
            file = video.VideoFile(self._root / self._info.video_file(key, *place), self._encodings[key])
            try:
                file.append(packets)
            finally:
                file.close()
        self._episodes.append({"episode_index": episode.index, "tasks": [episode.task], "length": episode.length})
        stats = {
            key: {name: value for name, value in feature_stats.to_lists(of_feature).items() if name not in _LEFT_OUT}
            for key, of_feature in episode.stats(self._info.features).items()
        }
        self._stats.append({"episode_index": episode.index, "stats": stats})

    def finish(self, info: lerobot_info.Info, tasks: Mapping[str, int]) -> None:
        """Writes the metadata, info.json aside.

        Args:
          info: of the whole dataset.
          tasks: the instructions -> their numbers.
        """
        rows = ({"task_index": index, "task": task} for task, index in tasks.items())
        json_text.write_lines(self._root / layout_v21.TASKS_PATH, rows)
        json_text.write_lines(self._root / layout_v21.EPISODES_PATH, self._episodes)
        json_text.write_lines(self._root / layout_v21.EPISODES_STATS_PATH, self._stats)

    def close(self) -> None:
        """Nothing is left open between episodes."""


_LEFT_OUT = tuple(feature_stats.QUANTILES)  # since v3.0
