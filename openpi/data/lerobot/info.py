"""`meta/info.json` of a LeRobot dataset, typed and checked.

Source: the LeRobot dataset formats v2.0 and v2.1, as lerobot up to 0.3 writes them, and v3.0, as lerobot 0.4 does.
"""

import dataclasses
import math
import pathlib
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from openpi.data.lerobot import json_text, path_template

V21, V30 = "v2.1", "v3.0"
INFO_PATH = "meta/info.json"
STATS_PATH = "meta/stats.json"

# (data_path, video_path) as lerobot writes them.
_V30_FILE = "chunk-{chunk_index:03d}/file-{file_index:03d}"
_V2_CHUNK, _V2_EPISODE = "chunk-{episode_chunk:03d}", "episode_{episode_index:06d}"
PATHS = {
    V30: (f"data/{_V30_FILE}.parquet", f"videos/{{video_key}}/{_V30_FILE}.mp4"),
    V21: (f"data/{_V2_CHUNK}/{_V2_EPISODE}.parquet", f"videos/{_V2_CHUNK}/{{video_key}}/{_V2_EPISODE}.mp4"),
}
_V30_FIELDS, _V2_FIELDS = ("chunk_index", "file_index"), ("episode_chunk", "episode_index")

_MAX_AXES = 8
_MAX_DIM = 1 << 16
_MAX_ELEMENTS = 1 << 28
_MAX_CHUNKS_SIZE = 1_000_000
_MAX_COUNT = {"total_episodes": 1 << 24, "total_tasks": 1 << 24}


@dataclasses.dataclass(frozen=True)
class Feature:
    """One column of the dataset: `shape` is that of a single frame's value."""

    dtype: str  # a numpy dtype name, "string", "image" (PNG in the parquet file) or "video" (mp4)
    shape: tuple[int, ...]
    names: Any = None
    info: Mapping[str, Any] | None = None  # "video.codec", "video.fps", ... of a video

    @property
    def is_image(self) -> bool:
        return self.dtype in ("image", "video")

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) of an image feature."""
        height, width = self.shape[1:] if self.channels_first else self.shape[:2]
        return height, width

    @property
    def channels_first(self) -> bool:
        """Whether an image feature is declared [3, H, W] rather than [H, W, 3]."""
        return self.shape[0] == 3 and (self.shape[2] != 3 or _axis_name(self.names, 0).startswith("channel"))

    def to_json(self) -> dict[str, Any]:
        out = {"dtype": self.dtype, "shape": list(self.shape), "names": self.names}
        return out | {"info": dict(self.info)} if self.info else out


# The columns that every dataset has besides its own features.
INDEX_FEATURES: Mapping[str, Feature] = {
    "timestamp": Feature("float32", (1,)),
    "frame_index": Feature("int64", (1,)),
    "episode_index": Feature("int64", (1,)),
    "index": Feature("int64", (1,)),
    "task_index": Feature("int64", (1,)),
}


@dataclasses.dataclass(frozen=True)
class Info:
    """The dataset's description. Paths are relative to the dataset's root."""

    fps: float
    features: Mapping[str, Feature]  # INDEX_FEATURES included
    total_episodes: int
    total_frames: int
    total_tasks: int
    robot_type: str | None = None
    version: str = V30  # "v2.0", "v2.1", "v3.0"
    data_path: str = PATHS[V30][0]
    video_path: str | None = PATHS[V30][1]
    chunks_size: int = 1000  # files a chunk folder
    data_files_size_in_mb: int = 100  # of v3 only, as the next
    video_files_size_in_mb: int = 200

    @property
    def per_episode(self) -> bool:
        """Whether every episode has files of its own, as in v2, rather than sharing them."""
        return self.version.startswith("v2.")

    @property
    def video_keys(self) -> tuple[str, ...]:
        return tuple(key for key, feature in self.features.items() if feature.dtype == "video")

    def data_file(self, chunk: int, number: int) -> str:
        """A parquet file of frames: in v2 `number` is the episode's, in v3 the file's within its chunk."""
        return path_template.fill(self.data_path, **self._place(chunk, number))

    def video_file(self, key: str, chunk: int, number: int) -> str:
        """An mp4 file of camera `key`, numbered like `data_file`."""
        assert self.video_path is not None  # `parse` sees to it where there are videos
        return path_template.fill(self.video_path, video_key=key, **self._place(chunk, number))

    def _place(self, chunk: int, number: int) -> dict[str, int]:
        if self.per_episode:
            return {"episode_chunk": chunk, "episode_index": number}
        return {"chunk_index": chunk, "file_index": number}

    def to_json(self) -> dict[str, Any]:
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        version = fields.pop("version")
        if self.per_episode:
            del fields["data_files_size_in_mb"], fields["video_files_size_in_mb"]
            fields["total_videos"] = self.total_episodes * len(self.video_keys)
            fields["total_chunks"] = -(-self.total_episodes // self.chunks_size)
        fields["features"] = {key: feature.to_json() for key, feature in self.features.items()}
        splits = {"train": f"0:{self.total_episodes}"}
        return {"codebase_version": version, **fields, "splits": splits}


def load(root: pathlib.Path) -> Info:
    """Reads `<root>/meta/info.json`.

    Raises:
      FileNotFoundError: there is no dataset at `root`.
      ValueError: it is not a well-formed description of a dataset of a known version.
    """
    path = root / INFO_PATH
    if not path.is_file():
        raise FileNotFoundError(
            f"no LeRobot dataset at {root} (it has no {INFO_PATH}): point config.data.root at one, record one, or "
            f"fetch one with `hf download --repo-type dataset REPO_ID --local-dir {root}`"
        )
    raw = json_text.load(path)
    try:
        return parse(raw)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def parse(raw: Mapping[str, Any]) -> Info:
    """Checks the content of an info.json. Raises ValueError naming the field at fault."""
    version = raw.get("codebase_version")
    if not (isinstance(version, str) and re.fullmatch(r"v2\.[01]|v3\.\d{1,3}", version)):
        raise ValueError(
            f"codebase_version is {version!r}, and this reader knows v2.0, v2.1 and v3.x: convert an older dataset "
            "with the lerobot of its time, or record it again"
        )
    fps = raw.get("fps")
    if isinstance(fps, bool) or not isinstance(fps, int | float) or not math.isfinite(fps) or not 0 < fps <= 10_000:
        raise ValueError(f"fps is {fps!r}, and must be a number of frames per second between 0 and 10000")
    features = raw.get("features")
    if not isinstance(features, dict) or not features:
        raise ValueError(f"features is {type(features).__name__}, and must be a non-empty object")
    parsed = {key: parse_feature(key, value) for key, value in features.items()}
    for key in INDEX_FEATURES:
        if key not in parsed:
            raise ValueError(f"features has no {key!r}, which every LeRobot dataset has")
    fields = _V2_FIELDS if version.startswith("v2.") else _V30_FIELDS
    video_path = raw.get("video_path")
    if video_path is not None or any(feature.dtype == "video" for feature in parsed.values()):
        path_template.check("video_path", video_path, (*fields, "video_key"))
    data_path = raw.get("data_path")
    path_template.check("data_path", data_path, fields)
    robot_type = raw.get("robot_type")
    if not (robot_type is None or isinstance(robot_type, str)):
        raise ValueError(f"robot_type is {robot_type!r}, and must be text or null")
    counts = {key: _count(raw, key) for key in ("total_episodes", "total_frames", "total_tasks")}
    chunks_size = _count({"chunks_size": 1000, **raw}, "chunks_size")
    if not 0 < chunks_size <= _MAX_CHUNKS_SIZE:
        raise ValueError(f"chunks_size is {chunks_size}, and must be between 1 and {_MAX_CHUNKS_SIZE}")
    return Info(
        fps=fps,
        features=parsed,
        robot_type=robot_type,
        version=version,
        data_path=data_path,
        video_path=video_path,
        chunks_size=chunks_size,
        **counts,
    )


def parse_feature(key: Any, raw: Any) -> Feature:
    """Checks one entry of `features`: a Feature or its JSON form. Raises ValueError naming it."""
    if not isinstance(key, str) or key in ("", ".", "..") or any(c in "/\\" or c < " " for c in key):
        raise ValueError(f"feature name {key!r}: must be a line of text without slashes, and no '..'")
    if isinstance(raw, Feature):
        raw = raw.to_json()
    if not isinstance(raw, Mapping):
        raise ValueError(f"feature {key!r}: must be an object with dtype and shape")
    dtype, shape = raw.get("dtype"), raw.get("shape")
    if dtype not in ("image", "video", "string"):
        try:
            numeric = isinstance(dtype, str) and np.dtype(dtype).kind in "biuf"
        except (TypeError, ValueError, SyntaxError):  # numpy takes "f4, f4" apart as Python
            numeric = False
        if not numeric:
            raise ValueError(
                f"feature {key!r}: dtype {dtype!r} is none of image, video, string or a numeric numpy dtype"
            )
    ok = (
        isinstance(shape, list | tuple)
        and 0 < len(shape) <= _MAX_AXES
        and all(type(n) is int and 0 < n <= _MAX_DIM for n in shape)
    )
    if not ok or math.prod(shape) > _MAX_ELEMENTS:
        raise ValueError(f"feature {key!r}: shape {shape!r} must be a list of positive sizes ([1] for a scalar)")
    if dtype in ("image", "video") and len(shape) != 3:
        raise ValueError(f"feature {key!r}: image shape {list(shape)} must be [height, width, 3] or [3, height, width]")
    info = raw.get("info")
    if not (info is None or isinstance(info, Mapping)):
        raise ValueError(f"feature {key!r}: info is {str(info)[:40]!r}, and must be an object or null")
    return Feature(dtype, tuple(shape), raw.get("names"), info)


def check_colour(where: str, key: str, feature: Feature) -> None:
    """Raises ValueError if the images of a feature are not of three colours: depth cannot be read, nor written."""
    if 3 not in (feature.shape[0], feature.shape[2]):
        raise ValueError(
            f"{where}: images {key!r} have shape {list(feature.shape)}, and only [height, width, 3] or [3, height, width] can be "
            "read and written: leave them out"
        )


def _axis_name(names: Any, axis: int) -> str:
    return str(names[axis]) if isinstance(names, list | tuple) and len(names) == 3 else ""


def _count(raw: Mapping[str, Any], key: str) -> int:
    value = raw.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{key} is {value!r}, and must be a whole number")
    if value > _MAX_COUNT.get(key, value):
        raise ValueError(f"{key} is {str(value)[:40]}, more than the {_MAX_COUNT[key]} that can be read")
    return value
