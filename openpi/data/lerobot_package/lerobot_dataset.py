"""A dataset as the lerobot package itself reads it: `config.data.reader = "lerobot"`, for formats that openpi does not read.

lerobot brings torch, so only `--config=lerobot` builds it in.
"""

import contextlib
import pathlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from huggingface_hub import errors

from openpi.data.lerobot import checks, chunks, decoder, episodes, reader
from openpi.data.lerobot import info as lerobot_info
from openpi.data.lerobot_package import ffmpeg

# A name that the Hub does not allow: lerobot would go and fetch what a local dataset lacks from another of the same name.
_NOT_ON_THE_HUB = "a local dataset"


class LeRobotDataset(reader.LeRobotDataset):
    """The same dataset as openpi's reader gives, from tables and images that lerobot reads."""

    def __init__(
        self,
        root: str | pathlib.Path,
        *,
        delta_timestamps: Mapping[str, Sequence[float]] | None = None,
        keys: Sequence[str] | None = None,
    ) -> None:
        """Args as `reader.LeRobotDataset` has them.

        Raises:
          FileNotFoundError: there is no dataset at `root`, or one of its files is missing.
          ValueError: the program was built without lerobot; or lerobot cannot read the dataset; or it is damaged, or
            lacks a feature that `delta_timestamps` or `keys` names.
        """
        self.root, deltas = pathlib.Path(root), delta_timestamps or {}
        self.info = load_info(self.root)
        with _told(f"lerobot cannot open the dataset at {self.root}"):
            opened = _import_package().LeRobotDataset(_NOT_ON_THE_HUB, self.root, tolerance_s=decoder.TOLERANCE_S)
            self.episodes, self.skipped = _episodes(opened.meta), {}
            self.tasks = tuple(opened.meta.tasks.sort_values("task_index").index)
        wanted = dict.fromkeys([*(self.features if keys is None else keys), *deltas, *lerobot_info.INDEX_FEATURES])
        for key in wanted:
            if key not in self.features:
                raise ValueError(f"dataset {self.root} has no feature {key!r}; it has {', '.join(self.features)}")
        self.image_keys = tuple(key for key in wanted if self.features[key].is_image)
        for key in self.image_keys:
            lerobot_info.check_colour(f"dataset {self.root}", key, self.features[key])
        tables = {key: self.features[key] for key in wanted if key not in self.image_keys}
        with _told(f"lerobot cannot read the tables of the dataset at {self.root}"):
            self._columns = _columns(opened.hf_dataset, tables)
        problems = checks.tables(self._columns, self.episodes, fps=self.fps, num_tasks=len(self.tasks), finite=True)
        if problems:
            raise next(iter(problems.values()))
        self._offsets = {key: chunks.Offsets(key, times, self.fps) for key, times in deltas.items()}
        self._frames = PackageFrames(opened, self.episodes)


def load_info(root: pathlib.Path) -> lerobot_info.Info:
    """What lerobot says of the dataset at `root`: what `info.load` says of a version that openpi knows.

    Raises:
      FileNotFoundError: there is no dataset at `root`.
      ValueError: the program was built without lerobot; or lerobot cannot read the dataset.
    """
    if not (root / lerobot_info.INFO_PATH).is_file():
        raise FileNotFoundError(f"no LeRobot dataset at {root} (it has no {lerobot_info.INFO_PATH})")
    package = _import_package()
    with _told(f"lerobot cannot open the dataset at {root}"):
        meta = package.LeRobotDatasetMetadata(_NOT_ON_THE_HUB, root)
        return lerobot_info.Info(
            fps=float(meta.fps),
            features={key: lerobot_info.parse_feature(key, feature) for key, feature in meta.features.items()},
            total_episodes=meta.total_episodes,
            total_frames=meta.total_frames,
            total_tasks=meta.total_tasks,
            robot_type=meta.robot_type,
            version=str(meta.info["codebase_version"]),
        )


_TURN = threading.Lock()


class PackageFrames:
    """Images as lerobot decodes them (a `frames.FrameSource`).

    Threads take turns, whichever datasets they read: lerobot keeps one decoder a file for all of them, which two threads
    at once would crash. Processes decode in parallel.
    """

    def __init__(self, package: Any, places: episodes.Episodes) -> None:
        """Args:
        package: lerobot's dataset, without delta_timestamps.
        places: its episodes.
        """
        self._package, self._places = package, places
        self._latest: tuple[int, Any] = (-1, None)  # lerobot decodes all cameras of a row at once

    def frames(self, key: str, rows: np.ndarray) -> np.ndarray:
        with _TURN:
            return np.stack([_to_bytes(self._item(int(row))[key].numpy()) for row in rows])

    def _item(self, row: int) -> Mapping[str, Any]:
        if self._latest[0] != row:
            with _told(f"dataset {self._package.root}: {self._places.name(row)}: lerobot cannot read it"):
                self._latest = row, self._package[row]
        return self._latest[1]

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickle_frames, (self._package, self._places)


def _unpickle_frames(package: Any, places: episodes.Episodes) -> PackageFrames:
    _import_package()  # FFmpeg and the number of threads are of the process
    return PackageFrames(package, places)


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


def _episodes(meta: Any) -> episodes.Episodes:
    """Where the episodes lie in the dataset's rows. Which files hold them is lerobot's affair."""
    start, stop = (np.array(meta.episodes[f"dataset_{end}_index"], np.int64) for end in ("from", "to"))
    index = np.array(meta.episodes["episode_index"], np.int64)
    zeros = np.zeros_like(start)
    return episodes.Episodes(start, stop, index, files=(str(meta.root),), file=zeros, file_row=start, videos={})


def _columns(dataset: Any, features: Mapping[str, lerobot_info.Feature]) -> dict[str, np.ndarray]:
    """The tables of lerobot's `datasets.Dataset` as arrays: [N, ...] of the feature's shape, [N] for scalars."""
    table = dataset.select_columns(list(features)).with_format("arrow")[:]
    return {key: _to_numpy(table[key].combine_chunks(), feature) for key, feature in features.items()}


def _to_numpy(values: pa.Array, feature: lerobot_info.Feature) -> np.ndarray:
    shape = (len(values),) if feature.shape == (1,) else (len(values), *feature.shape)
    while isinstance(values, pa.ExtensionArray | pa.ListArray | pa.LargeListArray | pa.FixedSizeListArray):
        values = values.storage if isinstance(values, pa.ExtensionArray) else values.flatten()
    column = values.to_numpy(zero_copy_only=False).reshape(shape)
    column = column.astype(np.dtypes.StringDType() if feature.dtype == "string" else feature.dtype)
    column.flags.writeable = False
    return column


def _to_bytes(image: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 3] of [3, H, W]: bytes, or the floats in [0, 1] that lerobot makes of them by dividing by 255."""
    levels = image if image.dtype == np.uint8 else np.rint(image * 255).astype(np.uint8)
    return levels.transpose(1, 2, 0)


@contextlib.contextmanager
def _told(what: str) -> Iterator[None]:
    """Turns what lerobot, datasets, torch, torchcodec or FFmpeg raise into an error of one line."""
    try:
        yield
    except errors.HFValidationError as error:  # it was about to look on the Hub
        raise FileNotFoundError(f"{what}: files that its meta folder names are missing: fetch it again") from error
    except Exception as error:
        raise ValueError(f"{what}: {type(error).__name__}: {' '.join(str(error).split())}") from error
