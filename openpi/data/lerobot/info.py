"""`meta/info.json` of a LeRobot dataset, typed and checked.

Source: the LeRobot dataset format v3.0, as lerobot 0.4 writes it.
"""

import dataclasses
import json
import math
import pathlib
import re
import string
from collections.abc import Mapping
from typing import Any

import numpy as np

CODEBASE_VERSION = "v3.0"
INFO_PATH = "meta/info.json"
STATS_PATH = "meta/stats.json"
TASKS_PATH = "meta/tasks.parquet"
_FILE = "chunk-{chunk_index:03d}/file-{file_index:03d}"
EPISODES_PATH = "meta/episodes/" + _FILE + ".parquet"
DATA_PATH = "data/" + _FILE + ".parquet"
VIDEO_PATH = "videos/{video_key}/" + _FILE + ".mp4"

_MAX_JSON_BYTES = 64 << 20
_MAX_DIM = 1 << 16
_MAX_ELEMENTS = 1 << 28
_TEMPLATE_FIELDS = {"chunk_index": re.compile(r"(0?\d{1,2}d)?"), "file_index": re.compile(r"(0?\d{1,2}d)?")}
_VIDEO_TEMPLATE_FIELDS = _TEMPLATE_FIELDS | {"video_key": re.compile("")}


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
    data_path: str = DATA_PATH
    video_path: str | None = VIDEO_PATH
    chunks_size: int = 1000  # files a chunk folder
    data_files_size_in_mb: int = 100
    video_files_size_in_mb: int = 200

    def data_file(self, chunk_index: int, file_index: int) -> pathlib.PurePosixPath:
        return _relative(self.data_path.format(chunk_index=chunk_index, file_index=file_index))

    def video_file(self, key: str, chunk_index: int, file_index: int) -> pathlib.PurePosixPath:
        return _relative(self.video_path.format(video_key=key, chunk_index=chunk_index, file_index=file_index))

    def to_json(self) -> dict[str, Any]:
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        fields["features"] = {key: feature.to_json() for key, feature in self.features.items()}
        splits = {"train": f"0:{self.total_episodes}"}
        return {"codebase_version": CODEBASE_VERSION, **fields, "splits": splits}


def load(root: pathlib.Path) -> Info:
    """Reads `<root>/meta/info.json`.

    Raises:
      FileNotFoundError: there is no dataset at `root`.
      ValueError: it is not a well-formed description of a v3.0 dataset.
    """
    path = root / INFO_PATH
    if not path.is_file():
        raise FileNotFoundError(
            f"no LeRobot dataset at {root} (it has no {INFO_PATH}): point config.data.root at one, record one, or "
            f"fetch one with `hf download --repo-type dataset REPO_ID --local-dir {root}`"
        )
    if path.stat().st_size > _MAX_JSON_BYTES:
        raise ValueError(f"{path}: larger than {_MAX_JSON_BYTES >> 20} MiB, so not a LeRobot info.json")
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # JSONDecodeError and UnicodeDecodeError are ValueErrors
        raise ValueError(f"{path}: not valid JSON ({error}): fetch or record the dataset again") from error
    try:
        return parse(raw)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def parse(raw: Any) -> Info:
    """Checks the content of an info.json. Raises ValueError naming the field at fault."""
    if not isinstance(raw, dict):
        raise ValueError("the top level is no JSON object")
    version = raw.get("codebase_version")
    if not (isinstance(version, str) and re.fullmatch(r"v3\.\d+", version)):
        raise ValueError(
            f"codebase_version is {version!r}, and this reader knows v3.x only: convert an older dataset with "
            "lerobot's `python -m lerobot.datasets.v30.convert_dataset_v21_to_v30 --repo-id=REPO_ID`"
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
    video_path = raw.get("video_path")
    if video_path is not None or any(feature.dtype == "video" for feature in parsed.values()):
        _check_template("video_path", video_path, _VIDEO_TEMPLATE_FIELDS)
    data_path = raw.get("data_path")
    _check_template("data_path", data_path, _TEMPLATE_FIELDS)
    robot_type = raw.get("robot_type")
    if not (robot_type is None or isinstance(robot_type, str)):
        raise ValueError(f"robot_type is {robot_type!r}, and must be text or null")
    counts = {key: _count(raw, key) for key in ("total_episodes", "total_frames", "total_tasks")}
    return Info(fps=fps, features=parsed, robot_type=robot_type, data_path=data_path, video_path=video_path, **counts)


def parse_feature(key: Any, raw: Any) -> Feature:
    """Checks one entry of `features`: a Feature or its JSON form. Raises ValueError naming it."""
    if not isinstance(key, str) or key in ("", ".", "..") or any(c in key for c in "/\\\0"):
        raise ValueError(f"feature name {key!r}: must be text without slashes, and no '..'")
    if isinstance(raw, Feature):
        raw = raw.to_json()
    if not isinstance(raw, Mapping):
        raise ValueError(f"feature {key!r}: must be an object with dtype and shape")
    dtype, shape = raw.get("dtype"), raw.get("shape")
    if dtype not in ("image", "video", "string"):
        try:
            numeric = isinstance(dtype, str) and np.dtype(dtype).kind in "biuf"
        except TypeError:
            numeric = False
        if not numeric:
            raise ValueError(
                f"feature {key!r}: dtype {dtype!r} is none of image, video, string or a numeric numpy dtype"
            )
    ok = (
        isinstance(shape, list | tuple)
        and len(shape) > 0
        and all(isinstance(n, int) and 0 < n <= _MAX_DIM for n in shape)
    )
    if not ok or math.prod(shape) > _MAX_ELEMENTS:
        raise ValueError(f"feature {key!r}: shape {shape!r} must be a list of positive sizes ([1] for a scalar)")
    if dtype in ("image", "video") and not (len(shape) == 3 and 3 in (shape[0], shape[2])):
        raise ValueError(f"feature {key!r}: image shape {list(shape)} must be [height, width, 3] or [3, height, width]")
    return Feature(dtype, tuple(shape), raw.get("names"), raw.get("info"))


def _axis_name(names: Any, axis: int) -> str:
    return str(names[axis]) if isinstance(names, list | tuple) and len(names) == 3 else ""


def _count(raw: Mapping[str, Any], key: str) -> int:
    value = raw.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{key} is {value!r}, and must be a whole number")
    return value


def _check_template(name: str, template: Any, fields: Mapping[str, re.Pattern[str]]) -> None:
    """A template from outside reaches `str.format`: allow plain known fields only, and no way out of the root."""
    try:
        if not isinstance(template, str):
            raise ValueError("must be text")
        for _, field, spec, conversion in string.Formatter().parse(template):
            if field is not None and (field not in fields or conversion or not fields[field].fullmatch(spec or "")):
                raise ValueError(f"only {', '.join(f'{{{key}}}' for key in fields)} may stand in it")
        _relative(template.format(chunk_index=0, file_index=0, video_key="key"))
    except (ValueError, KeyError, IndexError) as error:
        raise ValueError(f"{name} is {template!r}: {error}") from error


def _relative(path: str) -> pathlib.PurePosixPath:
    pure = pathlib.PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or "\0" in path or not pure.parts:
        raise ValueError(f"path {path!r} leads out of the dataset's folder")
    return pure
