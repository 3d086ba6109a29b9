"""Where a v2.0 or v2.1 dataset keeps its tasks and episodes: a JSON object a line in `meta`, files of one episode each."""

import pathlib

import numpy as np

from openpi.data.lerobot import episodes as lerobot_episodes
from openpi.data.lerobot import info as lerobot_info
from openpi.data.lerobot import json_text

TASKS_PATH = "meta/tasks.jsonl"
EPISODES_PATH = "meta/episodes.jsonl"
EPISODES_STATS_PATH = "meta/episodes_stats.jsonl"


def load_tasks(root: pathlib.Path) -> tuple[str, ...]:
    """The instructions by task_index."""
    path = root / TASKS_PATH
    by_index = {}
    for number, row in enumerate(json_text.lines(path)):
        by_index[json_text.whole_number(row, "task_index", f"{path}, entry {number}")] = row.get("task")
    if sorted(by_index) != list(range(len(by_index))) or not all(isinstance(task, str) for task in by_index.values()):
        raise ValueError(f"{path}: task_index must count from 0, each with a text: {json_text.AGAIN}")
    return tuple(by_index[i] for i in range(len(by_index)))


def load_episodes(root: pathlib.Path, info: lerobot_info.Info) -> lerobot_episodes.Episodes:
    """The episodes' places."""
    path = root / EPISODES_PATH
    lengths: list[int] = []
    for number, row in enumerate(json_text.lines(path)):
        where = f"{path}, entry {number}"
        if json_text.whole_number(row, "episode_index", where) != number:
            raise ValueError(
                f"{where}: episode_index is {row['episode_index']}, and must count from 0: the dataset is incomplete, "
                f"{json_text.AGAIN}"
            )
        lengths.append(json_text.whole_number(row, "length", where))
        if not lengths[-1]:
            raise ValueError(f"{where}: length is 0, and an episode has at least one frame: {json_text.AGAIN}")
    if not lengths:
        raise ValueError(f"{path}: the dataset has no episodes: record some")
    if len(lengths) != info.total_episodes or sum(lengths) != info.total_frames:
        raise ValueError(
            f"{path}: {len(lengths)} episodes of {sum(lengths)} frames, and {lerobot_info.INFO_PATH} says "
            f"{info.total_episodes} of {info.total_frames}: the dataset is incomplete, {json_text.AGAIN}"
        )
    stop, index = np.cumsum(lengths), np.arange(len(lengths))
    places = [(number // info.chunks_size, number) for number in range(len(lengths))]
    files = tuple(f"{root}/{info.data_file(*place)}" for place in places)
    spans = {
        key: lerobot_episodes.VideoSpans(
            tuple(f"{root}/{info.video_file(key, *place)}" for place in places), index, np.zeros(len(lengths))
        )
        for key in info.video_keys
    }
    return lerobot_episodes.Episodes(stop - lengths, stop, index, files, index, np.zeros_like(index), spans)
