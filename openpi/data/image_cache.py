"""How training gets at images, as `config.data.cache` says: decoded each time, or from a cache of the model's size."""

import logging
import pathlib
import shutil
from collections.abc import Sequence

from openpi.data import frame_cache, video_cache
from openpi.data.lerobot import reader

_LOGGER = logging.getLogger("openpi")
_GIB = 1 << 30
KINDS = ("none", "frames", "video", "auto")


def cached(
    datasets: Sequence[reader.LeRobotDataset], kind: str, directory: pathlib.Path, *, image_size: int, max_gib: float
) -> list[reader.LeRobotDataset]:
    """The same datasets, their images from caches, which are built first if need be.

    Args:
      datasets: of a mixture, or one.
      kind: "none": decoded from the dataset's own files each time; "frames": decoded once (`frame_cache`); "video": encoded
        anew at the model's size (`video_cache`: small and lossy); "auto": frames where they fit, else video.
      directory: for the caches of all datasets.
      image_size: of the model.
      max_gib: what the decoded frames of all datasets may take.

    Raises:
      ValueError: the frames would take more than `max_gib`; or an image cannot be read.
      OSError: the disk has no room.
    """
    if kind == "auto":
        kind = _choose(datasets, directory, image_size, max_gib)
    if kind == "video":
        return [video_cache.cached(dataset, directory, image_size=image_size) for dataset in datasets]
    if kind == "frames":
        _check_size(datasets, image_size, max_gib)
        return [frame_cache.cached(dataset, directory, image_size=image_size) for dataset in datasets]
    for dataset in datasets:
        if any(dataset.features[key].dtype == "image" for key in dataset.image_keys):
            _LOGGER.warning(
                "the images of %s lie in parquet files, of which much has to be read for each: training will wait for them; "
                "config.data.cache='frames' or 'auto' reads them many times faster",
                dataset.root,
            )
    return list(datasets)


def _check_size(datasets: Sequence[reader.LeRobotDataset], image_size: int, max_gib: float) -> None:
    needed = sum(frame_cache.num_bytes(dataset, image_size) for dataset in datasets)
    if needed > max_gib * _GIB:
        frames = sum(len(dataset) * len(dataset.image_keys) for dataset in datasets)
        raise ValueError(
            f"the decoded frames of {', '.join(str(dataset.root) for dataset in datasets)} ({frames} images) need "
            f"{needed / _GIB:.1f} GiB, more than config.data.cache_max_gib={max_gib:g} allows: raise it, or set "
            "config.data.cache='video' (smaller, lossy) or 'none' (decodes while training)"
        )


def _choose(datasets: Sequence[reader.LeRobotDataset], directory: pathlib.Path, image_size: int, max_gib: float) -> str:
    needed = sum(frame_cache.num_bytes(dataset, image_size) for dataset in datasets)
    missing = sum(frame_cache.missing_bytes(dataset, directory, image_size) for dataset in datasets)
    directory.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(directory).free
    kind = "frames" if needed <= max_gib * _GIB and missing <= free else "video"
    _LOGGER.info(
        "config.data.cache='auto' means %r here: decoded frames take %.2f GiB, cache_max_gib is %g, free are %.1f GiB",
        kind,
        needed / _GIB,
        max_gib,
        free / _GIB,
    )
    return kind
