"""Finds the episodes of a dataset whose tables or videos are wrong."""

import pathlib
from collections.abc import Iterator, Sequence

import numpy as np

from openpi.data.lerobot import columns as lerobot_columns
from openpi.data.lerobot import decoder, json_text
from openpi.data.lerobot import episodes as lerobot_episodes
from openpi.data.lerobot import frames as frame_sources

_BLOCK = 1 << 16  # rows checked at a time


def tables(
    columns: lerobot_columns.Columns,
    episodes: lerobot_episodes.Episodes,
    *,
    fps: float,
    num_tasks: int,
    finite: bool,
) -> lerobot_columns.Problems:
    """The first problem of every episode whose index columns disagree with the metadata, or whose numbers are not finite.

    Args:
      columns: [N, ...] each.
      episodes: of the same rows.
      fps: at which timestamps must follow one another.
      num_tasks: task_index must be below it.
      finite: whether to look at the numbers.
    """
    problems: lerobot_columns.Problems = {}

    def found(bad: np.ndarray, text: str, *values: np.ndarray) -> None:
        for episode, row in _first_rows(bad, episodes):
            what = text.format(*(value[row] for value in values))
            problems.setdefault(
                episode, ValueError(f"{episodes.files[episodes.file[episode]]}: {episodes.name(row)}: {what}")
            )

    wanted = np.repeat(episodes.index, episodes.length)
    text = "episode_index is {}, and the metadata says {}: " + json_text.AGAIN
    found(columns["episode_index"] != wanted, text, columns["episode_index"], wanted)
    task = columns["task_index"]
    text = f"task_index {{}} has no task, and there are {num_tasks}: {json_text.AGAIN}"
    found((task < 0) | (task >= num_tasks), text, task)
    times = columns["timestamp"].astype(np.float64)
    before = np.concatenate([times[:1], times[:-1]])
    steps = times - before
    steps[episodes.start] = 1 / fps  # from one episode to the next
    tolerance = decoder.TOLERANCE_S + np.spacing(np.abs(times).astype(np.float32))
    text = f"timestamp {{:.6f}} s does not follow {{:.6f}} s by 1/{fps:g} s: record it at a steady rate, or correct fps"
    found(~(np.abs(steps - 1 / fps) <= tolerance), text, times, before)
    for key, column in columns.items():
        if finite and column.dtype.kind == "f" and key != "timestamp":
            found(~_finite_rows(column), f"{key!r} holds a value that is not finite: record it again, or leave it out")
    return problems


def missing_videos(episodes: lerobot_episodes.Episodes, keys: Sequence[str]) -> lerobot_columns.Problems:
    """The episodes one of whose videos, of the cameras `keys`, is not there."""
    problems: lerobot_columns.Problems = {}
    for key in keys:
        spans = episodes.videos[key]
        missing = {n for n in np.unique(spans.file).tolist() if not pathlib.Path(spans.files[n]).is_file()}
        for episode in np.flatnonzero(np.isin(spans.file, list(missing))).tolist() if missing else ():
            text = f"episode {episodes.index[episode]}: video {spans.path(episode)} is missing: {json_text.AGAIN}"
            problems.setdefault(episode, FileNotFoundError(text))
    return problems


def ends(
    source: frame_sources.FrameSource, episodes: lerobot_episodes.Episodes, keys: Sequence[str]
) -> lerobot_columns.Problems:
    """The episodes whose first or last frame of one of the cameras `keys` cannot be decoded.

    The file is cut short, begins later than its tables, or is no video.
    """
    problems: lerobot_columns.Problems = {}
    for key in keys:
        for episode, rows in enumerate(np.stack([episodes.start, episodes.stop - 1], axis=1)):
            if episode not in problems:
                try:
                    source.frames(key, rows)
                except (ValueError, FileNotFoundError) as error:
                    problems[episode] = error
    return problems


def _first_rows(bad: np.ndarray, episodes: lerobot_episodes.Episodes) -> Iterator[tuple[int, int]]:
    """(episode, row) of each episode's first bad row."""
    rows = np.flatnonzero(bad)
    of_rows, first = np.unique(np.searchsorted(episodes.stop, rows, side="right"), return_index=True)
    return zip(of_rows.tolist(), rows[first].tolist(), strict=True)


def _finite_rows(column: np.ndarray) -> np.ndarray:
    flat = column.reshape(len(column), -1)
    blocks = [np.isfinite(flat[start : start + _BLOCK]).all(axis=1) for start in range(0, len(flat), _BLOCK)]
    return np.concatenate(blocks)
