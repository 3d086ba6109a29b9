"""The normalization statistics of a configuration: found, or computed, or a clear line that says how to get them."""

import logging
import pathlib

from openpi.checkpoints import locate
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
      FileNotFoundError: `config.data.assets_dir` is a URL, and there is no such folder.
      OSError: it cannot be fetched.
    """
    asset_id = build_transforms.asset_id(config)
    if not asset_id:
        raise ValueError(
            "config.data.asset_id and config.data.repo_id are both empty: set one, it names the statistics"
        )
    base = config.data.assets_dir or f"{config.assets_base_dir}/{config.name}"
    return locate.local(f"{base.rstrip('/')}/{asset_id}")


def load_or_compute(config: schema.ConfigDict, dataset: reader.LeRobotDataset) -> Stats:
    """Reads the statistics; computes and writes them if they are missing and `config.data.compute_norm_stats`.

    Raises:
      FileNotFoundError: they are missing.
    """
    folder = directory(config)
    released = "://" in config.data.assets_dir
    if released or not config.data.compute_norm_stats or (folder / "norm_stats.json").exists():
        return norm_stats.load(folder)
    stats = compute(config, dataset)
    norm_stats.save(folder, stats)
    _LOGGER.info("norm stats written to %s", folder)
    return stats


def compute(config: schema.ConfigDict, dataset: reader.LeRobotDataset, *, max_frames: int | None = None) -> Stats:
    """The statistics of `state` and `actions` as the model will see them before normalization."""
    return dataset_stats.compute_norm_stats(
        dataset, build_transforms.statistics(config), min_std=config.data.min_std, max_frames=max_frames
    )
