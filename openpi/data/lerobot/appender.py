"""Records a LeRobot dataset of format v3.0 that is whole after each episode, and can be gone on with later.

Source: the LeRobot dataset format v3.0, as lerobot 0.4 writes it: the files of a dataset need not be full.
"""

import dataclasses
import os
import pathlib
import shutil
from collections.abc import Mapping
from typing import Any, Self

import filelock

from openpi.data.lerobot import episode_buffer, existing, feature_stats, json_text, recorded, store_v30, video, writer
from openpi.data.lerobot import info as lerobot_info


class LeRobotAppender:
    """Adds episodes to a dataset, begun anew or there already: `add_frame` ..., `save_episode(task)`, ..., `close()`.

    Every episode gets files of its own, which are moved to their places once they are on the disk; info.json comes last. Killed
    at any time, the dataset holds all episodes saved before.
    """

    def __init__(
        self,
        root: str | pathlib.Path,
        fps: float,
        features: Mapping[str, Any],
        *,
        robot_type: str | None = None,
        codec: str = "h264",
        crf: int | None = None,
    ) -> None:
        """Arguments as those of `LeRobotWriter`; a dataset that is there already must have been recorded with the same.

        Raises:
          ValueError: a feature is not well-formed; or the dataset at `root` is damaged, or of another rate, version or robot,
            or has other features.
          FileExistsError: something else is at `root`.
          RuntimeError: another program is recording into it.
        """
        self.root = pathlib.Path(root)
        self._features = writer.parse_features(features)
        has_video = any(feature.dtype == "video" for feature in self._features.values())
        new = lerobot_info.Info(
            fps=fps,
            features={**self._features, **lerobot_info.INDEX_FEATURES},
            total_episodes=0,
            total_frames=0,
            total_tasks=0,
            robot_type=robot_type,
            video_path=lerobot_info.PATHS[lerobot_info.V30][1] if has_video else None,
        )
        lerobot_info.parse(new.to_json())  # what no reader would take
        self._encodings = {
            key: video.Encoding(fps, *feature.image_size, crf=crf, codec=codec)
            for key, feature in self._features.items()
            if feature.dtype == "video"
        }
        self.root.parent.mkdir(parents=True, exist_ok=True)
        self._lock = filelock.FileLock(self.root.with_name(f".{self.root.name}.lock"), timeout=0)
        try:
            self._lock.acquire()
        except filelock.Timeout:
            raise RuntimeError(f"{self.root} is being recorded by another program: end that first") from None
        try:
            there = existing.load(self.root, new)
            self._staged = self.root / existing.STAGED
            self._discard_staged()
        except BaseException:
            self._lock.release()
            raise
        self._info, self._tasks, self._stats = there.info, there.tasks, there.stats
        self._next_file = there.num_files
        self._buffer = self._empty_buffer()

    @property
    def num_episodes(self) -> int:
        """How many episodes are saved."""
        return self._info.total_episodes

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add_frame(self, frame: Mapping[str, Any]) -> None:
        """Adds a frame to the episode at hand. Raises ValueError as `LeRobotWriter.add_frame`."""
        self._buffer.add(frame)

    def discard_episode(self) -> None:
        """Forgets the frames added since the last `save_episode`."""
        self._buffer = self._empty_buffer()

    def save_episode(self, task: str) -> None:
        """Adds the frames to the dataset as one episode, with `task` as its instruction.

        Raises:
          ValueError: there are none, or the task is no text.
          OSError: the disk takes no more: the episode is lost, the dataset as it was.
        """
        self._buffer.check_complete(task)
        tasks = {**self._tasks}
        task_index = tasks.setdefault(task, len(tasks))
        buffer, self._buffer = self._buffer, self._empty_buffer()
        episode = buffer.finish(task, task_index=task_index, start=self._info.total_frames, fps=self._info.fps)
        info = dataclasses.replace(
            self._info,
            total_episodes=self._info.total_episodes + 1,
            total_frames=self._info.total_frames + episode.length,
            total_tasks=len(tasks),
        )
        try:
            info, stats = self._stage(episode, info, tasks)
            self._publish()
        finally:
            self._discard_staged()
        self._info, self._tasks, self._stats, self._next_file = info, tasks, stats, self._next_file + 1
        self._buffer = self._empty_buffer()

    def close(self) -> None:
        """Forgets an episode that is not saved, and lets others record into the dataset. Safe to call twice."""
        self.discard_episode()
        self._lock.release()

    def _stage(
        self, episode: recorded.Episode, info: lerobot_info.Info, tasks: Mapping[str, int]
    ) -> tuple[lerobot_info.Info, dict[str, feature_stats.Stats]]:
        """Writes all files of the dataset that the episode adds or changes into the hidden folder."""
        self._staged.mkdir(parents=True)
        store = store_v30.StoreV30(self._staged, info, self._encodings, first_file=self._next_file)
        try:
            store.add(episode)
        finally:
            store.close()
        place = divmod(self._next_file, info.chunks_size)
        probed = {key: video.probe(self._staged / info.video_file(key, *place)) for key in self._encodings}
        features = {
            key: dataclasses.replace(feature, info=feature.info or probed.get(key))
            for key, feature in info.features.items()
        }
        info = dataclasses.replace(info, features=features)
        store.finish(info, tasks)
        stats = episode.stats(info.features)
        if self._stats:
            stats = {key: feature_stats.merge([self._stats[key], part]) for key, part in stats.items()}
        lists = {key: feature_stats.to_lists(part) for key, part in stats.items()}
        json_text.write(self._staged / lerobot_info.STATS_PATH, lists)
        json_text.write(self._staged / lerobot_info.INFO_PATH, info.to_json())
        return info, stats

    def _publish(self) -> None:
        """Moves the files to their places. Readers go by info.json, which comes last."""
        paths = [path for path in self._staged.rglob("*") if path.is_file()]
        for source in sorted(paths, key=lambda path: path == self._staged / lerobot_info.INFO_PATH):
            with source.open("rb") as file:
                os.fsync(file.fileno())
            target = self.root / source.relative_to(self._staged)
            target.parent.mkdir(parents=True, exist_ok=True)
            source.replace(target)

    def _discard_staged(self) -> None:
        shutil.rmtree(self._staged, ignore_errors=True)

    def _empty_buffer(self) -> episode_buffer.EpisodeBuffer:
        return episode_buffer.EpisodeBuffer(self._features, self._encodings, self._info.total_episodes)
