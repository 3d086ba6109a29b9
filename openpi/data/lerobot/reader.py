"""Random access to a LeRobot dataset of any version since v2.0: tables by pyarrow, video by PyAV.

Source: the LeRobot dataset formats v2.0 and v2.1, as lerobot up to 0.3 writes them, and v3.0, as lerobot 0.4 does.
"""

import copy
import operator
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from openpi.data.lerobot import checks, chunks, layout_v21, layout_v30, tables
from openpi.data.lerobot import frames as frame_sources
from openpi.data.lerobot import info as lerobot_info


class LeRobotDataset:
    """The frames of a dataset, one dict each. Tables lie in memory; images are decoded when asked for.

    It may be pickled, used from several threads, and across a fork. `episodes` tells where each episode lies, `tasks`
    the instructions, `skipped` the episodes that were left out: their number -> why.
    """

    def __init__(
        self,
        root: str | pathlib.Path,
        *,
        delta_timestamps: Mapping[str, Sequence[float]] | None = None,
        keys: Sequence[str] | None = None,
        skip_bad_episodes: bool = False,
        check_videos: bool | None = None,
        check_finite: bool = True,
    ) -> None:
        """Args:
          root: the dataset's folder.
          delta_timestamps: feature -> seconds relative to the frame (multiples of 1/fps): it is delivered as a chunk.
          keys: the features to deliver (the index columns always are); None means all.
          skip_bad_episodes: leave out episodes with missing or unreadable files, other features than info.json says,
            jumping timestamps, unknown tasks or numbers that are not finite, rather than refuse the dataset. Rows are
            counted over those that remain.
          check_videos: whether to decode the first and the last frame of every episode, a few milliseconds each, so that
            missing, truncated and shifted videos are found now; None means where bad episodes are left out.
          check_finite: whether numbers that are not finite make an episode bad.

        Raises:
          FileNotFoundError: there is no dataset at `root`, or one of its files is missing.
          ValueError: it is of no known version, is damaged, or lacks a feature that `delta_timestamps` or `keys` names.
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
        for key in self.image_keys:
            lerobot_info.check_colour(f"dataset {self.root}", key, features[key])
        self._offsets = {
            key: chunks.Offsets(key, times, self.info.fps) for key, times in (delta_timestamps or {}).items()
        }
        layout = layout_v21 if self.info.per_episode else layout_v30
        self.tasks = layout.load_tasks(self.root)
        opened = tables.Tables(
            self.root, layout.load_episodes(self.root, self.info), features, skip_bad=skip_bad_episodes
        )
        opened.leave_out(
            checks.tables(opened.columns, opened.episodes, fps=self.fps, num_tasks=len(self.tasks), finite=check_finite)
        )
        if skip_bad_episodes if check_videos is None else check_videos:
            videos = [key for key in self.image_keys if features[key].dtype == "video"]
            opened.leave_out(checks.missing_videos(opened.episodes, videos))
            opened.leave_out(checks.ends(self._encoded(opened), opened.episodes, videos))
        opened.finish()
        self.episodes, self.skipped, self._columns = opened.episodes, opened.skipped, opened.columns
        self._frames: frame_sources.FrameSource = self._encoded(opened)

    @property
    def fps(self) -> float:
        return self.info.fps

    @property
    def features(self) -> Mapping[str, lerobot_info.Feature]:
        """All features of the dataset, delivered or not."""
        return self.info.features

    def __len__(self) -> int:
        return int(self.episodes.stop[-1])

    def __getitem__(self, index: int) -> dict[str, Any]:
        """One frame.

        Returns:
          A dict of arrays that the caller may change, images aside (they may be read-only): features as they are
          declared, scalars 0-d, texts str; images uint8 `[3, H, W]`; features of `delta_timestamps` with a leading axis
          of their offsets, those outside the episode being its first or last frame, and beside them `<key>_is_pad`
          bool; `task`, the instruction, a str.
        """
        row = operator.index(index)
        if not 0 <= row < len(self):
            raise IndexError(f"frame {row} of a dataset of {len(self)} frames")
        episode = self._columns["episode_index"][row]
        start, stop = int(self.episodes.start[episode]), int(self.episodes.stop[episode])
        item: dict[str, Any] = {"task": self.tasks[self._columns["task_index"][row]]}
        for key, column in self._columns.items():
            if key in self._offsets:
                item[key], item[f"{key}_is_pad"] = self._offsets[key].take(column, row, start, stop)
            else:
                item[key] = column[row, ...].copy() if column.dtype.kind != "T" else _texts(column[row])
        for key in self.image_keys:
            if key in self._offsets:
                rows, item[f"{key}_is_pad"] = self._offsets[key].rows(row, start, stop)
                item[key] = self._frames.frames(key, rows).transpose(0, 3, 1, 2)
            else:
                item[key] = self._frames.frames(key, np.array([row]))[0].transpose(2, 0, 1)
        return item

    def read_tables(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Many frames without their images and texts.

        Args:
          rows: int [n].

        Returns:
          What `[]` gives for each, stacked: arrays [n, ...] that the caller may change.
        """
        rows = np.asarray(rows, np.int64)
        if rows.ndim != 1 or np.any((rows < 0) | (rows >= len(self))):
            raise IndexError(f"rows must be int [n] from 0 to {len(self) - 1}, and are {rows.tolist()!s:.80}")
        episode = self._columns["episode_index"][rows]
        start, stop = self.episodes.start[episode], self.episodes.stop[episode]
        out: dict[str, np.ndarray] = {}
        for key, column in self._columns.items():
            if column.dtype.kind == "T":
                continue
            if key in self._offsets:
                out[key], out[f"{key}_is_pad"] = self._offsets[key].take_many(column, rows, start, stop)
            else:
                out[key] = np.take(column, rows, axis=0)
        return out

    def table(self, key: str) -> np.ndarray:
        """A whole column that is not an image, read-only: [N, ...] (scalars [N], texts of numpy's StringDType)."""
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

    @property
    def decoded(self) -> bool:
        """Whether its images need no decoding any more."""
        return getattr(self._frames, "decoded", False)

    def with_frames(self, source: frame_sources.FrameSource) -> Self:
        """The same dataset with its images from elsewhere."""
        out = copy.copy(self)
        out._frames = source
        return out

    def without_images(self) -> Self:
        """The same dataset where every image is one black pixel, `[3, 1, 1]`: nothing is decoded."""
        return self.with_frames(frame_sources.PlaceholderFrames())

    def _encoded(self, opened: tables.Tables) -> frame_sources.EncodedFrames:
        return frame_sources.EncodedFrames(self.info.features, opened.episodes, opened.columns["timestamp"])


def _texts(value: Any) -> Any:
    return value if isinstance(value, str) else np.array(value)
