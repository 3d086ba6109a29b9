"""Random access to a LeRobot v3.0 dataset: tables by pyarrow, video by PyAV.

Source: the LeRobot dataset format v3.0, as lerobot 0.4 writes it.
"""

import copy
import operator
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from openpi.data.lerobot import frames as frame_sources
from openpi.data.lerobot import info as lerobot_info
from openpi.data.lerobot import tables, video


class LeRobotDataset:
    """The frames of a dataset, one dict each. Tables lie in memory; images are decoded when asked for.

    It may be pickled, used from several threads, and across a fork.
    """

    def __init__(
        self,
        root: str | pathlib.Path,
        *,
        delta_timestamps: Mapping[str, Sequence[float]] | None = None,
        keys: Sequence[str] | None = None,
    ) -> None:
        """Args:
          root: the dataset's folder.
          delta_timestamps: feature -> seconds relative to the frame (multiples of 1/fps): it is delivered as a chunk.
          keys: the features to deliver (the index columns always are); None means all.

        Raises:
          FileNotFoundError: there is no dataset at `root`, or one of its files is missing.
          ValueError: it is not a v3.0 dataset, is damaged, or lacks a feature that `delta_timestamps` or `keys` names.
        """
        self.root = pathlib.Path(root)
        self.info = lerobot_info.load(self.root)
        wanted = dict.fromkeys(
            [*(self.info.features if keys is None else keys), *(delta_timestamps or {}), *lerobot_info.INDEX_FEATURES]
        )
        for key in wanted:
            if key not in self.info.features:
                raise ValueError(f"dataset {self.root} has no feature {key!r}; it has {', '.join(self.info.features)}")
        features = {key: self.info.features[key] for key in wanted}
        self.image_keys = tuple(key for key, feature in features.items() if feature.is_image)
        self._offsets = {
            key: _frame_offsets(key, times, self.info.fps) for key, times in (delta_timestamps or {}).items()
        }
        self.tasks = tables.load_tasks(self.root)
        self.episodes = tables.load_episodes(self.root, self.info)
        files = tables.data_files(self.root, self.info, self.episodes)
        self._columns = tables.load_columns(
            files, {key: f for key, f in features.items() if not f.is_image}, self.episodes
        )
        self._check_index_columns()
        self._frames: frame_sources.FrameSource = frame_sources.EncodedFrames(
            self.root, self.info, self.episodes, files, self._columns["timestamp"]
        )

    @property
    def fps(self) -> float:
        return self.info.fps

    @property
    def features(self) -> Mapping[str, lerobot_info.Feature]:
        """All features of the dataset, delivered or not."""
        return self.info.features

    def __len__(self) -> int:
        return self.info.total_frames

    def __getitem__(self, index: int) -> dict[str, Any]:
        """One frame.

        Returns:
          A dict of arrays that the caller may change, images aside (they may be read-only): features as they are
          declared, scalars 0-d; images uint8 `[3, H, W]`; features of `delta_timestamps` with a leading axis of their
          offsets, those outside the episode being its first or last frame, and beside them `<key>_is_pad` bool;
          `task`, the instruction, a str.
        """
        row = operator.index(index)
        if not 0 <= row < len(self):
            raise IndexError(f"frame {row} of a dataset of {len(self)} frames")
        episode = int(self._columns["episode_index"][row])
        item: dict[str, Any] = {"task": self.tasks[self._columns["task_index"][row]]}
        chunks = {}
        for key, offsets in self._offsets.items():
            chunks[key], item[f"{key}_is_pad"] = clamp(
                row + offsets, self.episodes.start[episode], self.episodes.stop[episode]
            )
        for key, column in self._columns.items():
            item[key] = column[chunks[key]] if key in chunks else np.array(column[row])
        for key in self.image_keys:
            images = self._frames.frames(key, chunks.get(key, np.array([row]))).transpose(0, 3, 1, 2)
            item[key] = images if key in chunks else images[0]
        return item

    def table(self, key: str) -> np.ndarray:
        """A whole column that is not an image, read-only: [N, ...] (scalars [N])."""
        if key not in self._columns:
            raise ValueError(f"dataset {self.root} delivers no table {key!r}; it delivers {', '.join(self._columns)}")
        return self._columns[key]

    def frames(self, key: str, rows: np.ndarray) -> np.ndarray:
        """The images of camera `key` at `rows` (int [n]): uint8 `[n, H, W, 3]`."""
        if key not in self.image_keys:
            raise ValueError(
                f"dataset {self.root} delivers no camera {key!r}; it delivers {', '.join(self.image_keys) or 'none'}"
            )
        return self._frames.frames(key, rows)

    def with_frames(self, source: frame_sources.FrameSource) -> Self:
        """The same dataset with its images from elsewhere."""
        out = copy.copy(self)
        out._frames = source
        return out

    def without_images(self) -> Self:
        """The same dataset where every image is one black pixel, `[3, 1, 1]`: nothing is decoded."""
        return self.with_frames(frame_sources.PlaceholderFrames())

    def _check_index_columns(self) -> None:
        lengths = self.episodes.stop - self.episodes.start
        if not np.array_equal(self._columns["episode_index"], np.repeat(np.arange(len(lengths)), lengths)):
            raise ValueError(
                f"dataset {self.root}: column episode_index does not agree with meta/episodes: {tables.AGAIN}"
            )
        task_index = self._columns["task_index"]
        if task_index.min() < 0 or task_index.max() >= len(self.tasks):
            raise ValueError(
                f"dataset {self.root}: task_index goes up to {task_index.max()}, and {lerobot_info.TASKS_PATH} has "
                f"{len(self.tasks)} tasks: {tables.AGAIN}"
            )
        times = self._columns["timestamp"].astype(np.float64)
        steps = np.diff(times)
        steps[self.episodes.start[1:] - 1] = 1 / self.fps  # from one episode to the next
        tolerance = video.TOLERANCE_S + np.spacing(np.abs(times[1:]).astype(np.float32))
        wrong = np.flatnonzero(~(np.abs(steps - 1 / self.fps) <= tolerance))
        if len(wrong):
            row = int(wrong[0]) + 1
            episode = self.episodes.of_row(row)
            raise ValueError(
                f"dataset {self.root}: episode {episode}, frame {row - self.episodes.start[episode]}: timestamp "
                f"{times[row]:.6f} s does not follow {times[row - 1]:.6f} s by 1/{self.fps:g} s: record it at a steady "
                "rate, or correct fps"
            )


def clamp(rows: np.ndarray, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
    """Moves rows that lie outside an episode to its nearest frame.

    Args:
      rows: int [T].
      start: the episode's first row.
      stop: the row after its last.

    Returns:
      (int [T] rows inside the episode, bool [T] which of them were moved).
    """
    return np.clip(rows, start, stop - 1), (rows < start) | (rows >= stop)


def _frame_offsets(key: str, times: Sequence[float], fps: float) -> np.ndarray:
    frames = np.asarray(times, np.float64) * fps
    offsets = np.rint(frames)
    if offsets.ndim != 1 or not len(offsets) or not np.all(np.abs(frames - offsets) / fps <= video.TOLERANCE_S):
        raise ValueError(f"delta_timestamps of {key!r} must be multiples of 1/{fps:g} s, and are {list(times)}")
    return offsets.astype(np.int64)
