"""A dataset as the lerobot package itself reads it: `config.data.reader = "lerobot"`, for formats that openpi does not read.

The items are those of `openpi/data/lerobot:reader`. lerobot brings torch, so only `--config=lerobot` builds it in.
"""

import contextlib
import dataclasses
import operator
import pathlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from huggingface_hub import errors

from openpi.data.lerobot import info as lerobot_info
from openpi.data.lerobot_package import ffmpeg

# A name that the Hub does not allow: lerobot would go and fetch what a local dataset lacks from another of the same name.
_NOT_ON_THE_HUB = "a local dataset"
_TOLERANCE_S = 1e-4


@dataclasses.dataclass(frozen=True)
class Episodes:
    """The episodes in order: rows `start[e]` to `stop[e]` (exclusive) of the dataset."""

    start: np.ndarray  # int64 [E]
    stop: np.ndarray  # int64 [E]


class LeRobotDataset:
    """The frames of a dataset, one dict each. Tables lie in memory; images are decoded by lerobot when asked for.

    It may be pickled and used from several threads, which take turns: processes decode in parallel.
    """

    def __init__(
        self,
        root: str | pathlib.Path,
        *,
        delta_timestamps: Mapping[str, Sequence[float]] | None = None,
        keys: Sequence[str] | None = None,
    ) -> None:
        """Args: as `reader.LeRobotDataset` takes them.

        Raises:
          FileNotFoundError: there is no dataset at `root`, or one of its files is missing.
          ValueError: the program was built without lerobot; or lerobot cannot read the dataset; or it lacks a feature
            that `delta_timestamps` or `keys` names.
        """
        self.root = pathlib.Path(root)
        if not (self.root / lerobot_info.INFO_PATH).is_file():
            raise FileNotFoundError(f"no LeRobot dataset at {self.root} (it has no {lerobot_info.INFO_PATH})")
        package = _import_package()
        deltas = {key: list(times) for key, times in (delta_timestamps or {}).items()}
        with _told(f"lerobot cannot open the dataset at {self.root}"):
            meta = package.LeRobotDatasetMetadata(_NOT_ON_THE_HUB, self.root)
            self.features = {key: lerobot_info.parse_feature(key, feature) for key, feature in meta.features.items()}
        wanted = dict.fromkeys([*(self.features if keys is None else keys), *deltas, *lerobot_info.INDEX_FEATURES])
        for key in wanted:
            if key not in self.features:
                raise ValueError(f"dataset {self.root} has no feature {key!r}; it has {', '.join(self.features)}")
        self.image_keys = tuple(key for key in wanted if self.features[key].is_image)
        tables = {key: self.features[key] for key in wanted if key not in self.image_keys}
        image_deltas = {key: times for key, times in deltas.items() if key in self.image_keys}
        with _told(f"lerobot cannot open the dataset at {self.root}"):
            package.check_delta_timestamps(deltas, meta.fps, _TOLERANCE_S)
            offsets = package.get_delta_indices(deltas, meta.fps)
            self._package = package.LeRobotDataset(
                _NOT_ON_THE_HUB, self.root, delta_timestamps=image_deltas or None, tolerance_s=_TOLERANCE_S
            )
            self._columns = _columns(self._package.hf_dataset, tables)
            ends = [np.array(meta.episodes[f"dataset_{end}_index"], np.int64) for end in ("from", "to")]
            self.tasks = tuple(meta.tasks.sort_values("task_index").index)
        self.episodes = Episodes(*ends)
        self.fps = float(meta.fps)
        self._offsets = {key: np.array(steps, np.int64) for key, steps in offsets.items()}
        if not np.array_equal(self._columns["index"], np.arange(len(self))):
            raise ValueError(f"dataset {self.root}: column index does not count from 0: record or fetch it again")
        self._turn = threading.Lock()

    def __len__(self) -> int:
        return len(self._columns["index"])

    def __getitem__(self, index: int) -> dict[str, Any]:
        """One frame, as `reader.LeRobotDataset` gives it."""
        row = operator.index(index)
        if not 0 <= row < len(self):
            raise IndexError(f"frame {row} of a dataset of {len(self)} frames")
        item: dict[str, Any] = {"task": self.tasks[self._columns["task_index"][row]]}
        item |= {key: np.array(value[0]) for key, value in self._gather(np.array([row]), list(self._columns)).items()}
        if self.image_keys:
            images = self._decode(row)
            item |= {key: _to_bytes(images[key].numpy()) for key in self.image_keys}
        return item

    def read_tables(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """The items of `rows` (int64 [n]) without images and text, stacked: [n, ...]."""
        rows = np.asarray(rows, np.int64)
        if rows.size and not 0 <= rows.min() <= rows.max() < len(self):
            raise IndexError(f"frames {rows.min()} to {rows.max()} of a dataset of {len(self)} frames")
        return self._gather(rows, [key for key, column in self._columns.items() if column.dtype != object])

    def _gather(self, rows: np.ndarray, keys: Sequence[str]) -> dict[str, np.ndarray]:
        episode = np.searchsorted(self.episodes.stop, rows, side="right")
        start, stop = self.episodes.start[episode, None], self.episodes.stop[episode, None]
        out = {}
        for key in (*keys, *(key for key in self.image_keys if key in self._offsets)):
            places = rows
            if key in self._offsets:
                places = rows[:, None] + self._offsets[key]
                out[f"{key}_is_pad"] = (places < start) | (places >= stop)
                places = np.clip(places, start, stop - 1)
            if key in self._columns:
                out[key] = self._columns[key][places]
        return out

    def _decode(self, row: int) -> dict[str, Any]:
        episode = int(self._columns["episode_index"][row])
        where = f"dataset {self.root}: episode {episode}, frame {row - self.episodes.start[episode]}"
        with self._turn, _told(f"{where}: lerobot cannot read it"):
            return self._package[row]

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_turn"}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        _import_package()
        self.__dict__.update(state)
        self._turn = threading.Lock()


def _import_package() -> Any:
    """lerobot's module of datasets."""
    try:
        import torch  # only here, as the next: seconds and gigabytes that other readers do without

        ffmpeg.provide()
        from lerobot.datasets import lerobot_dataset
    except ModuleNotFoundError as error:
        raise ValueError(
            f"config.data.reader is 'lerobot', and this program was built without the lerobot package ({error}): start it "
            "with `tools/bazel run --config=lerobot //openpi/train -- ...`, or set config.data.reader to 'openpi'"
        ) from error
    torch.set_num_threads(1)  # the work on one image is too small to share: more threads are several times slower
    return lerobot_dataset


def _columns(dataset: Any, features: Mapping[str, lerobot_info.Feature]) -> dict[str, np.ndarray]:
    """The tables of lerobot's `datasets.Dataset` as arrays: [N, ...] of the feature's shape, [N] for scalars."""
    table = dataset.select_columns(list(features)).with_format("arrow")[:]
    return {key: _to_numpy(table[key].combine_chunks(), feature) for key, feature in features.items()}


def _to_numpy(values: pa.Array, feature: lerobot_info.Feature) -> np.ndarray:
    shape = (len(values),) if feature.shape == (1,) else (len(values), *feature.shape)
    while isinstance(values, pa.ExtensionArray | pa.ListArray | pa.LargeListArray | pa.FixedSizeListArray):
        values = values.storage if isinstance(values, pa.ExtensionArray) else values.flatten()
    column = values.to_numpy(zero_copy_only=False).reshape(shape)
    column = column.astype(object if feature.dtype == "string" else feature.dtype)
    column.flags.writeable = False
    return column


def _to_bytes(images: np.ndarray) -> np.ndarray:
    """uint8 images of floats in [0, 1], which lerobot made by dividing bytes by 255."""
    return images if images.dtype == np.uint8 else np.rint(images * 255).astype(np.uint8)


@contextlib.contextmanager
def _told(what: str) -> Iterator[None]:
    """Turns what lerobot, datasets, torch, torchcodec or FFmpeg raise into an error of one line."""
    try:
        yield
    except errors.HFValidationError as error:  # it was about to look on the Hub
        raise FileNotFoundError(f"{what}: files that its meta folder names are missing: fetch it again") from error
    except Exception as error:
        raise ValueError(f"{what}: {type(error).__name__}: {' '.join(str(error).split())}") from error
