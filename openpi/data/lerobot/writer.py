"""Records a LeRobot dataset, of format v3.0 or v2.1: tables in parquet, cameras in video or PNG.

Source: the LeRobot dataset formats v3.0, as lerobot 0.4 writes it, and v2.1, as lerobot 0.3 does.
"""

import contextlib
import dataclasses
import pathlib
import shutil
import uuid
import weakref
from collections.abc import Iterator, Mapping
from typing import Any, Self

from openpi.data.lerobot import episode_buffer, json_text, recorded, store_v21, store_v30, table_schema, video
from openpi.data.lerobot import info as lerobot_info

_STORES: dict[str, type[store_v30.StoreV30] | type[store_v21.StoreV21]] = {
    lerobot_info.V30: store_v30.StoreV30,
    lerobot_info.V21: store_v21.StoreV21,
}


class LeRobotWriter:
    """Writes one dataset, episode by episode: `add_frame` ..., `save_episode(task)`, ..., `finalize()`.

    Everything goes to a hidden sibling of `root`, which `finalize` renames: a dataset at `root` is always a whole one.
    Use it as a context manager: leaving it normally finalizes, leaving it by any exception (Ctrl-C too) removes what
    was written.
    """

    def __init__(
        self,
        root: str | pathlib.Path,
        fps: float,
        features: Mapping[str, Any],
        *,
        version: str = lerobot_info.V30,
        robot_type: str | None = None,
        codec: str = "h264",
        crf: int | None = None,
        gop: int = 2,
        preset: str | None = None,
        chunks_size: int = 1000,
        data_files_size_in_mb: int = 100,
        video_files_size_in_mb: int = 200,
    ) -> None:
        """Args:
          root: where the dataset will stand; must not exist yet (an empty folder may).
          fps: frames per second.
          features: name -> `{"dtype", "shape", "names"}` (or an `info.Feature`) of one frame. dtype "video" and
            "image" are uint8 RGB `[H, W, 3]`, or `[3, H, W]` where declared so; other dtypes are scalars (shape `[1]`),
            arrays, or "string".
          version: "v3.0" or "v2.1".
          robot_type: free text kept in info.json.
          codec: of videos: "h264", "hevc" or "av1".
          crf: their quality, 0 is best; None means visually lossless.
          gop: frames from one keyframe to the next.
          preset: the encoder's trade of speed for size; None means a quick one.
          chunks_size: files a folder.
          data_files_size_in_mb: at about this size a new parquet file is begun (v3.0).
          video_files_size_in_mb: the same for mp4.

        Raises:
          FileExistsError: there is something at `root`.
          ValueError: a feature is not well-formed, or of a kind that this writer does not write; there is no such
            version or codec; or fps or chunks_size is none.
        """
        self.root = pathlib.Path(root)
        if self.root.exists() and not (self.root.is_dir() and not any(self.root.iterdir())):
            raise FileExistsError(f"{self.root} exists already: remove it, or record the dataset somewhere else")
        if version not in _STORES:
            raise ValueError(f"version is {version!r}, and must be one of {', '.join(_STORES)}")
        self._features = parse_features(features)
        has_video = any(feature.dtype == "video" for feature in self._features.values())
        data_path, video_path = lerobot_info.PATHS[version]
        self._info = lerobot_info.Info(
            fps=fps,
            features={**self._features, **lerobot_info.INDEX_FEATURES},
            total_episodes=0,
            total_frames=0,
            total_tasks=0,
            robot_type=robot_type,
            version=version,
            data_path=data_path,
            video_path=video_path if has_video else None,
            chunks_size=chunks_size,
            data_files_size_in_mb=data_files_size_in_mb,
            video_files_size_in_mb=video_files_size_in_mb,
        )
        lerobot_info.parse(self._info.to_json())  # what no reader would take
        self._encodings = {
            key: video.Encoding(fps, *feature.image_size, crf=crf, gop=gop, preset=preset, codec=codec)
            for key, feature in self._features.items()
            if feature.dtype == "video"
        }
        self._tasks: dict[str, int] = {}
        self._ended = ""  # why nothing more can be recorded
        self._buffer = self._empty_buffer()
        self.root.parent.mkdir(parents=True, exist_ok=True)
        self._partial = self.root.with_name(f".{self.root.name}.partial-{uuid.uuid4().hex[:8]}")
        self._partial.mkdir()
        self._remove_partial = weakref.finalize(self, shutil.rmtree, self._partial, ignore_errors=True)  # at exit, too
        self._store: recorded.Store = _STORES[version](self._partial, self._info, self._encodings)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None and self._remove_partial.alive:
                self.finalize()
        finally:
            self.abort()

    def add_frame(self, frame: Mapping[str, Any]) -> None:
        """Adds a frame to the episode: a value for every feature, of its dtype and shape (scalars may be 0-d).

        Raises:
          ValueError: a feature is missing, unknown, or of another dtype or shape.
          RuntimeError: the dataset is finalized, or an episode could not be written.
        """
        self._check_usable()
        self._buffer.add(frame)

    def discard_episode(self) -> None:
        """Forgets the frames added since the last `save_episode`."""
        self._buffer = self._empty_buffer()

    def save_episode(self, task: str) -> None:
        """Writes the frames added since the last call as one episode, with `task` as its instruction.

        Raises:
          ValueError: there are none, or the task is no text.
          OSError: the disk takes no more. What an episode left half-written cannot be taken back: nothing more can be
            recorded then.
          RuntimeError: as `add_frame`.
        """
        self._check_usable()
        self._buffer.check_complete(task)
        index, start, length = self._info.total_episodes, self._info.total_frames, self._buffer.length
        task_index = self._tasks.setdefault(task, len(self._tasks))
        with self._all_or_nothing(f"episode {index} could not be written"):
            self._store.add(self._buffer.finish(task, task_index=task_index, start=start, fps=self._info.fps))
        self._info = dataclasses.replace(
            self._info, total_episodes=index + 1, total_frames=start + length, total_tasks=len(self._tasks)
        )
        self._buffer = self._empty_buffer()

    def finalize(self) -> None:
        """Closes the files, writes the metadata and moves the dataset to `root`.

        Raises:
          ValueError: frames were added after the last `save_episode`, or there is no episode.
          FileExistsError: something has appeared at `root` in the meantime.
          OSError: the disk takes no more.
          RuntimeError: it is finalized already, or an episode could not be written.
        """
        self._check_usable()
        if self._buffer.length:
            raise ValueError(
                f"{self._buffer.length} frames belong to no episode: call save_episode or discard_episode before "
                "finalize"
            )
        if not self._info.total_episodes:
            raise ValueError("a dataset needs at least one episode: nothing was recorded")
        with self._all_or_nothing("it could not be finalized"):
            self._store.close()
            features = dict(self._info.features)
            for key in self._encodings:
                probed = video.probe(self._partial / self._info.video_file(key, 0, 0))
                features[key] = dataclasses.replace(features[key], info=probed)
            self._info = dataclasses.replace(self._info, features=features)
            (self._partial / lerobot_info.INFO_PATH).parent.mkdir()
            json_text.write(self._partial / lerobot_info.INFO_PATH, self._info.to_json())
            self._store.finish(self._info, self._tasks)
        self._ended = "it is finalized: record another"
        try:
            self._partial.rename(self.root)
        except OSError as error:
            if not self.root.exists():
                raise
            raise FileExistsError(
                f"{self.root} appeared while this dataset was being recorded: remove it and record again"
            ) from error
        self._remove_partial.detach()

    def abort(self) -> None:
        """Removes everything written, unless `finalize` has run. Safe to call twice."""
        self._ended = self._ended or "the recording was aborted: begin another"
        try:
            self._store.close()
        finally:
            self._remove_partial()

    def _check_usable(self) -> None:
        if self._ended:
            raise RuntimeError(f"{self.root}: {self._ended}")

    @contextlib.contextmanager
    def _all_or_nothing(self, failure: str) -> Iterator[None]:
        """What has been half-written cannot be taken back: after an exception nothing more is recorded."""
        self._ended = f"{failure}: record the dataset again"
        try:
            yield
        except OSError as error:
            text = f"{failure} ({error.strerror or error}): free room and record the dataset again"
            raise OSError(error.errno, text, str(self.root)) from error
        self._ended = ""

    def _empty_buffer(self) -> episode_buffer.EpisodeBuffer:
        return episode_buffer.EpisodeBuffer(self._features, self._encodings, self._info.total_episodes)


def parse_features(features: Mapping[str, Any]) -> dict[str, lerobot_info.Feature]:
    """Checks the features of a dataset to be recorded: name -> Feature or its JSON form. Raises ValueError naming one."""
    parsed = {key: lerobot_info.parse_feature(key, feature) for key, feature in features.items()}
    for key, feature in parsed.items():
        if key in lerobot_info.INDEX_FEATURES or key == "task":
            raise ValueError(f"feature {key!r} is written by itself: leave it out of features")
        if feature.is_image:
            lerobot_info.check_colour("features", key, feature)
        one_text = feature.dtype != "string" or feature.shape == (1,)
        if not feature.is_image and not (one_text and len(feature.shape) <= table_schema.MAX_AXES):
            raise ValueError(
                f"feature {key!r} has dtype {feature.dtype} and shape {list(feature.shape)}: only single texts, and "
                f"arrays of up to {table_schema.MAX_AXES} axes can be recorded"
            )
    return parsed
