"""Records a LeRobot v3.0 dataset: tables in parquet, cameras in h264 video or PNG.

Source: the LeRobot dataset format v3.0, as lerobot 0.4 writes it.
"""

import dataclasses
import io
import json
import pathlib
import shutil
import uuid
import weakref
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import PIL.Image
import pyarrow as pa
import pyarrow.parquet as pq

from openpi.data.lerobot import feature_stats, video
from openpi.data.lerobot import info as lerobot_info


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
        robot_type: str | None = None,
        crf: int = 18,
        gop: int = 2,
        chunks_size: int = 1000,
        data_files_size_in_mb: int = 100,
        video_files_size_in_mb: int = 200,
    ) -> None:
        """Args:
          root: where the dataset will stand; must not exist yet (an empty folder may).
          fps: frames per second.
          features: name -> `{"dtype", "shape", "names"}` (or an `info.Feature`) of one frame. dtype "video" and
            "image" are uint8 RGB `[H, W, 3]`, or `[3, H, W]` where declared so; other dtypes are scalars (shape `[1]`),
            vectors, or "string".
          robot_type: free text kept in info.json.
          crf: h264 quality, 0 (lossless) to 51.
          gop: frames from one keyframe to the next.
          chunks_size: files a folder.
          data_files_size_in_mb: at about this size a new parquet file is begun.
          video_files_size_in_mb: the same for mp4.

        Raises:
          FileExistsError: there is something at `root`.
          ValueError: a feature is not well-formed, or of a kind that this writer does not write.
        """
        self.root = pathlib.Path(root)
        if self.root.exists() and not (self.root.is_dir() and not any(self.root.iterdir())):
            raise FileExistsError(f"{self.root} exists already: remove it, or record the dataset somewhere else")
        parsed = {key: lerobot_info.parse_feature(key, feature) for key, feature in features.items()}
        for key, feature in parsed.items():
            if key in lerobot_info.INDEX_FEATURES or key == "task":
                raise ValueError(f"feature {key!r} is written by itself: leave it out of features")
            if not feature.is_image and len(feature.shape) > 1:
                raise ValueError(
                    f"feature {key!r} has shape {list(feature.shape)}, and only vectors and images can be recorded: "
                    "flatten it"
                )
        self._info = lerobot_info.Info(
            fps=fps,
            features={**parsed, **lerobot_info.INDEX_FEATURES},
            total_episodes=0,
            total_frames=0,
            total_tasks=0,
            robot_type=robot_type,
            video_path=lerobot_info.VIDEO_PATH if any(f.dtype == "video" for f in parsed.values()) else None,
            chunks_size=chunks_size,
            data_files_size_in_mb=data_files_size_in_mb,
            video_files_size_in_mb=video_files_size_in_mb,
        )
        self._features = parsed
        self._encodings = {
            key: video.Encoding(fps, *feature.image_size, crf=crf, gop=gop)
            for key, feature in parsed.items()
            if feature.dtype == "video"
        }
        self._tasks: dict[str, int] = {}
        self._episodes: list[dict[str, Any]] = []
        self._pixels = {key: feature_stats.PixelHistogram() for key, feature in parsed.items() if feature.is_image}
        self._table_file: _TableFile | None = None
        self._video_files: dict[str, tuple[int, video.VideoFile]] = {}
        self._begin_episode()
        self.root.parent.mkdir(parents=True, exist_ok=True)
        self._partial = self.root.with_name(f".{self.root.name}.partial-{uuid.uuid4().hex[:8]}")
        self._partial.mkdir()
        self._remove_partial = weakref.finalize(self, shutil.rmtree, self._partial, ignore_errors=True)  # at exit, too

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
        """
        if frame.keys() != self._features.keys():
            missing, unknown = (
                sorted(self._features.keys() - frame.keys()),
                sorted(frame.keys() - self._features.keys()),
            )
            raise ValueError(
                f"frame {self._length} of episode {len(self._episodes)}: missing features {missing}, unknown features "
                f"{unknown}"
            )
        values = {key: self._check(key, feature, frame[key]) for key, feature in self._features.items()}
        for key, value in values.items():
            if not self._features[key].is_image:
                self._columns[key].append(value)
                continue
            rgb = value.transpose(1, 2, 0) if self._features[key].channels_first else value
            self._episode_pixels[key].add(rgb)
            if key in self._encoders:
                self._encoders[key].add(rgb)
            else:
                png = io.BytesIO()
                PIL.Image.fromarray(np.ascontiguousarray(rgb)).save(png, format="PNG")
                self._columns[key].append({"bytes": png.getvalue(), "path": f"frame-{self._length:06d}.png"})
        self._length += 1

    def discard_episode(self) -> None:
        """Forgets the frames added since the last `save_episode`."""
        self._begin_episode()

    def save_episode(self, task: str) -> None:
        """Writes the frames added since the last call as one episode, with `task` as its instruction."""
        if not self._length:
            raise ValueError(f"episode {len(self._episodes)} has no frames: call add_frame before save_episode")
        if not isinstance(task, str) or not task:
            raise ValueError(f"task is {task!r}, and must be a text")
        episode_index, start = len(self._episodes), self._info.total_frames
        task_index = self._tasks.setdefault(task, len(self._tasks))
        frame_index = np.arange(self._length)
        index_columns = {
            "timestamp": (frame_index / self._info.fps).astype(np.float32),
            "frame_index": frame_index,
            "episode_index": np.full(self._length, episode_index),
            "index": start + frame_index,
            "task_index": np.full(self._length, task_index),
        }
        columns = {key: self._stack(key, column) for key, column in self._columns.items()} | index_columns
        row = {"episode_index": episode_index, "tasks": [task], "length": self._length}
        row |= self._write_table(columns)
        row |= {"dataset_from_index": start, "dataset_to_index": start + self._length}
        for key, encoder in self._encoders.items():
            row |= self._write_video(key, encoder)
        for key, feature in self._info.features.items():
            if feature.dtype != "string":
                pixels = self._episode_pixels.get(key)
                stats = pixels.stats() if pixels else feature_stats.of_values(columns[key])
                row |= {f"stats/{key}/{name}": value for name, value in feature_stats.to_lists(stats).items()}
        for key, pixels in self._episode_pixels.items():
            self._pixels[key].merge(pixels)
        self._episodes.append(row | {"meta/episodes/chunk_index": 0, "meta/episodes/file_index": 0})
        self._info = dataclasses.replace(
            self._info,
            total_episodes=episode_index + 1,
            total_frames=start + self._length,
            total_tasks=len(self._tasks),
        )
        self._begin_episode()

    def finalize(self) -> None:
        """Closes the files, writes the metadata and moves the dataset to `root`.

        Raises:
          ValueError: frames were added after the last `save_episode`, or there is no episode.
          FileExistsError: something has appeared at `root` in the meantime.
        """
        if self._length:
            raise ValueError(
                f"{self._length} frames belong to no episode: call save_episode or discard_episode before finalize"
            )
        if not self._episodes:
            raise ValueError("a dataset needs at least one episode: nothing was recorded")
        self._close_files()
        meta = self._partial / "meta"
        meta.mkdir()
        features = dict(self._info.features)
        for key in self._encodings:
            probed = video.probe(self._partial / self._info.video_file(key, 0, 0))
            features[key] = dataclasses.replace(features[key], info=probed)
        self._info = dataclasses.replace(self._info, features=features)
        _write_json(self._partial / lerobot_info.INFO_PATH, self._info.to_json())
        _write_json(self._partial / lerobot_info.STATS_PATH, self._dataset_stats())
        pq.write_table(_tasks_table(self._tasks), self._partial / lerobot_info.TASKS_PATH, compression="snappy")
        episodes = self._partial / lerobot_info.EPISODES_PATH.format(chunk_index=0, file_index=0)
        episodes.parent.mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(self._episodes), episodes, compression="snappy")
        try:
            self._partial.rename(self.root)
        except OSError as error:
            raise FileExistsError(
                f"{self.root} appeared while this dataset was being recorded: remove it and record again"
            ) from error
        self._remove_partial.detach()

    def abort(self) -> None:
        """Removes everything written, unless `finalize` has run. Safe to call twice."""
        try:
            self._close_files()
        finally:
            self._remove_partial()

    def _begin_episode(self) -> None:
        self._length = 0
        self._columns = {key: [] for key, feature in self._features.items() if feature.dtype != "video"}
        self._encoders = {key: video.EpisodeEncoder(encoding) for key, encoding in self._encodings.items()}
        self._episode_pixels = {key: feature_stats.PixelHistogram() for key in self._pixels}

    def _check(self, key: str, feature: lerobot_info.Feature, value: Any) -> Any:
        where = f"frame {self._length} of episode {len(self._episodes)}: feature {key!r}"
        if feature.dtype == "string":
            if not isinstance(value, str):
                raise ValueError(f"{where} is {type(value).__name__}, expected text")
            return value
        array = np.asarray(value)
        dtype = "uint8" if feature.is_image else feature.dtype
        shape = () if feature.shape == (1,) and array.ndim == 0 else feature.shape
        if array.dtype != dtype or array.shape != shape:
            raise ValueError(f"{where} is {array.dtype} {list(array.shape)}, expected {dtype} {list(feature.shape)}")
        return array if feature.is_image else array.copy()  # images are consumed at once, vectors kept

    def _stack(self, key: str, column: list[Any]) -> Any:
        feature = self._features[key]
        if feature.is_image or feature.dtype == "string":
            return column
        return np.stack(column).reshape(-1 if feature.shape == (1,) else (len(column), *feature.shape))

    def _write_table(self, columns: Mapping[str, Any]) -> dict[str, int]:
        schema = _data_schema(self._info.features)
        table = pa.table([_to_arrow(columns[field.name], field.type) for field in schema], schema=schema)
        limit = self._info.data_files_size_in_mb << 20
        if self._table_file and self._table_file.num_bytes + table.nbytes > limit:
            self._table_file.close()
            self._table_file = _TableFile(self._partial, self._info, self._table_file.index + 1, schema)
        self._table_file = self._table_file or _TableFile(self._partial, self._info, 0, schema)
        self._table_file.writer.write_table(table, row_group_size=len(table))
        chunk, file = divmod(self._table_file.index, self._info.chunks_size)
        return {"data/chunk_index": chunk, "data/file_index": file}

    def _write_video(self, key: str, encoder: video.EpisodeEncoder) -> dict[str, Any]:
        packets = encoder.finish()
        index, file = self._video_files.get(key, (-1, None))
        limit = self._info.video_files_size_in_mb << 20
        if file is None or file.num_bytes + sum(packet.size for packet in packets) > limit:
            if file is not None:
                file.close()
            index += 1
            path = self._partial / self._info.video_file(key, *divmod(index, self._info.chunks_size))
            file = video.VideoFile(path, self._encodings[key])
            self._video_files[key] = index, file
        start = file.duration
        file.append(packets)
        chunk, number = divmod(index, self._info.chunks_size)
        values = {"chunk_index": chunk, "file_index": number, "from_timestamp": start, "to_timestamp": file.duration}
        return {f"videos/{key}/{name}": value for name, value in values.items()}

    def _dataset_stats(self) -> dict[str, Any]:
        files = sorted((self._partial / "data").rglob("*.parquet"))
        stats = {}
        for key, feature in self._info.features.items():
            if feature.is_image:
                stats[key] = feature_stats.to_lists(self._pixels[key].stats())
            elif feature.dtype != "string":
                column = pa.concat_tables(pq.read_table(file, columns=[key]) for file in files)[key].combine_chunks()
                flat = column if feature.shape == (1,) else column.flatten()
                values = flat.to_numpy(zero_copy_only=False).reshape(len(column), *feature.shape)
                stats[key] = feature_stats.to_lists(feature_stats.of_values(values))
        return stats

    def _close_files(self) -> None:
        if self._table_file:
            self._table_file.close()
            self._table_file = None
        for _, file in self._video_files.values():
            file.close()
        self._video_files = {}


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


def _data_schema(features: Mapping[str, lerobot_info.Feature]) -> pa.Schema:
    """Arrow types of the columns, with the description that Hugging Face's `datasets` reads them by."""
    fields: list[pa.Field] = []
    described: dict[str, Any] = {}
    for key, feature in features.items():
        value = {"dtype": feature.dtype, "_type": "Value"}
        if feature.dtype == "video":
            continue
        if feature.dtype == "image":
            kind, described[key] = pa.struct([("bytes", pa.binary()), ("path", pa.string())]), {"_type": "Image"}
        elif feature.dtype == "string" or feature.shape == (1,):
            kind, described[key] = _arrow_scalar(feature.dtype), value
        else:
            size = feature.shape[0]
            kind = pa.list_(_arrow_scalar(feature.dtype), size)
            described[key] = {"feature": value, "length": size, "_type": "List"}
        fields.append(pa.field(key, kind))
    return pa.schema(fields, metadata={"huggingface": json.dumps({"info": {"features": described}})})


def _arrow_scalar(dtype: str) -> pa.DataType:
    return pa.string() if dtype == "string" else pa.from_numpy_dtype(np.dtype(dtype))


def _to_arrow(values: Any, kind: pa.DataType) -> pa.Array:
    if pa.types.is_fixed_size_list(kind):
        return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel(), kind.value_type), type=kind)
    return pa.array(values, kind)


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


def _write_json(path: pathlib.Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=4, ensure_ascii=False), encoding="utf-8")
