"""The normalization statistics of a configuration: found, or computed, or a clear line that says how to get them."""

import logging
import pathlib

from openpi.config import build_transforms, schema
from openpi.data import dataset_stats
from openpi.data.lerobot import reader
from openpi.normalization import norm_stats

_LOGGER = logging.getLogger("openpi")

Stats = dict[str, norm_stats.NormStats]


def directory(config: schema.ConfigDict) -> pathlib.Path:
    """The folder of the statistics: `<assets_dir>/<asset_id>`.

    Raises:
      ValueError: there is no asset id.
      FileNotFoundError: the folder is not on this machine.
    """
    asset_id = build_transforms.asset_id(config)
    if not asset_id:
        raise ValueError(
            "config.data.asset_id and config.data.repo_id are both empty: set one, it names the statistics"
        )
    if "://" in config.data.assets_dir:
        raise FileNotFoundError(
            f"config.data.assets_dir={config.data.assets_dir} is remote, and downloading is not there yet; fetch it "
            f"(e.g. `gsutil -m cp -r {config.data.assets_dir} .`) and set --config.data.assets_dir to the local folder"
        )
    base = config.data.assets_dir or pathlib.Path(config.assets_base_dir) / config.name
    return pathlib.Path(base).expanduser().absolute() / asset_id


def load_or_compute(
    config: schema.ConfigDict, transforms: build_transforms.Transforms, dataset: reader.LeRobotDataset
) -> Stats:
    """Reads the statistics; computes and writes them if they are missing and `config.data.compute_norm_stats`.

    Raises:
      FileNotFoundError: they are missing.
    """
    folder = directory(config)
    if not config.data.compute_norm_stats or (folder / "norm_stats.json").exists():
        return norm_stats.load(folder)
    stats = compute(config, transforms, dataset)
    norm_stats.save(folder, stats)
    _LOGGER.info("norm stats written to %s", folder)
    return stats


def compute(
    config: schema.ConfigDict,
    transforms: build_transforms.Transforms,
    dataset: reader.LeRobotDataset,
    *,
    max_frames: int | None = None,
) -> Stats:
    """The statistics of `state` and `actions` as the model will see them before normalization."""
    return dataset_stats.compute_norm_stats(
        dataset, transforms.statistics(), min_std=config.data.min_std, max_frames=max_frames
    )
