"""A dataset of format v3.0 that is to be gone on with: what of it the next episode must know."""

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from openpi.data.lerobot import feature_stats, json_text, layout_v30, parquet_file
from openpi.data.lerobot import info as lerobot_info

STAGED = ".episode.partial"  # folder of the files of an episode that is being saved
_PARTS = ("data", "meta", "videos", STAGED)
_PLACE = ("meta/episodes/chunk_index", "meta/episodes/file_index")


@dataclasses.dataclass(frozen=True)
class Existing:
    """What is there already."""

    info: lerobot_info.Info
    tasks: Mapping[str, int] = dataclasses.field(default_factory=dict)
    stats: Mapping[str, feature_stats.Stats] = dataclasses.field(
        default_factory=dict
    )  # of all episodes; of none: empty
    num_files: int = 0  # files of all kinds have smaller numbers


def load(root: pathlib.Path, new: lerobot_info.Info) -> Existing:
    """What is at `root`, which may be nothing: then `new` is the description.

    Raises:
      FileExistsError: what is there is no dataset.
      ValueError: the dataset is damaged, or not such a one as `new` describes.
    """
    if not (root / lerobot_info.INFO_PATH).exists():
        # Of a first episode whose saving was broken off there may be everything but info.json.
        strange = sorted(path.name for path in root.iterdir() if path.name not in _PARTS) if root.exists() else []
        if strange:
            raise FileExistsError(f"{root} holds {strange[0]!r} and no dataset: record somewhere else")
        return Existing(new)
    info = lerobot_info.load(root)
    _check_same(root, info, new)
    episodes = layout_v30.load_episodes(root, info)
    tasks = {task: index for index, task in enumerate(layout_v30.load_tasks(root))}
    table = _episode_columns(root, info)
    places = {tuple(place) for place in np.stack([table.pop(name) for name in _PLACE], axis=1).tolist()}
    files = [*episodes.files, *(file for span in episodes.videos.values() for file in span.files)]
    places |= {_place(pathlib.Path(file)) for file in files}
    stats: dict[str, feature_stats.Stats] = {}
    for name, values in table.items():
        key, _, statistic = name.removeprefix("stats/").rpartition("/")
        stats.setdefault(key, {})[statistic] = values
    # The episodes' own, not those of stats.json, which may tell of an episode whose saving was broken off.
    merged = {
        key: feature_stats.merge([{name: values[e] for name, values in all_of.items()} for e in range(len(episodes))])
        for key, all_of in stats.items()
    }
    return Existing(info, tasks, merged, max(chunk * info.chunks_size + file for chunk, file in places) + 1)


def _check_same(root: pathlib.Path, info: lerobot_info.Info, new: lerobot_info.Info) -> None:
    for field in ("version", "fps", "robot_type", "data_path", "video_path"):
        there, wanted = getattr(info, field), getattr(new, field)
        if there != wanted:
            raise ValueError(f"{root} has {field}={there!r}, and this recording {wanted!r}: record into another folder")
    features, wanted_features = ({key: _shape(f) for key, f in side.features.items()} for side in (info, new))
    for key in sorted(features.keys() | wanted_features.keys()):
        if features.get(key) != wanted_features.get(key):
            raise ValueError(
                f"{root} has feature {key!r} as {features.get(key)}, and this recording {wanted_features.get(key)}: record "
                "into another folder"
            )


def _shape(feature: lerobot_info.Feature) -> dict[str, Any]:
    return {"dtype": feature.dtype, "shape": list(feature.shape), "names": feature.names}


def _episode_columns(root: pathlib.Path, info: lerobot_info.Info) -> dict[str, np.ndarray]:
    """Columns [E, ...] of the episodes that count: their statistics, and the tables that they stand in."""
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys(_PLACE, ())
    for key, feature in info.features.items():
        if feature.dtype != "string":
            shape = (3, 1, 1) if feature.is_image else feature.shape
            shapes |= {f"stats/{key}/{name}": shape for name in ("min", "max", "mean", "std", *feature_stats.QUANTILES)}
            shapes[f"stats/{key}/count"] = (1,)
    parts: dict[str, list[np.ndarray]] = {name: [] for name in shapes}
    for path in sorted((root / "meta/episodes").glob("*/*.parquet")):
        table = parquet_file.columns(path, list(shapes))
        for name, shape in shapes.items():
            try:
                values = parquet_file.values(table[name], shape)
            except ValueError as error:
                raise ValueError(f"{path}: column {name!r} {error}: {json_text.AGAIN}") from error
            # A number's statistics are kept as lists of one.
            scalar = shape == (1,) and not name.endswith("/count")
            parts[name].append(values[:, 0] if scalar else values)
    return {name: np.concatenate(arrays)[: info.total_episodes] for name, arrays in parts.items()}


def _place(path: pathlib.Path) -> tuple[int, int]:
    """(chunk, number) of a file chunk-CCC/file-FFF."""
    return int(path.parent.name.removeprefix("chunk-")), int(path.stem.removeprefix("file-"))
