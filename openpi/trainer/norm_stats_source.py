"""The normalization statistics of a configuration: found, or computed, or a clear line that says how to get them."""

import itertools
import logging
import pathlib
import shlex
import sys

from openpi.checkpoints import locate
from openpi.config import build_transforms, schema
from openpi.data import dataset as dataset_lib
from openpi.data import dataset_stats
from openpi.normalization import measured as measured_lib
from openpi.normalization import norm_stats, origin
from openpi.trainer import data_source, norm_stats_origin

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
            "config.data.asset_id and config.data.repo_id are empty, and config.data.root has no folder's name: set asset_id, "
            "it names the statistics"
        )
    base = config.data.assets_dir or f"{config.assets_base_dir}/{config.name}"
    return locate.local(f"{base.rstrip('/')}/{asset_id}")


def load_or_compute(config: schema.ConfigDict, dataset: dataset_lib.Recorded) -> Stats:
    """Reads the statistics; computes and writes them if they are missing and `config.data.compute_norm_stats`.

    Those on disk may tell what they were computed from: of another dataset or horizon, a warning says so.

    Raises:
      FileNotFoundError: they are missing.
      ValueError: they were computed for other units, signs or deltas than the configuration's, or are damaged.
    """
    folder = directory(config)
    if (folder / norm_stats.FILE_NAME).exists():
        stats = norm_stats.load(folder)
        _check_origin(config, dataset, folder)
        return stats
    if "://" in config.data.assets_dir or not config.data.compute_norm_stats:
        raise FileNotFoundError(
            f"norm stats not found: no {norm_stats.FILE_NAME} in {folder}; compute them with `{command()}`, have training "
            "do it with --config.data.compute_norm_stats=True, or set config.data.assets_dir and asset_id"
        )
    stats = {key: entry.with_min_std(config.data.min_std) for key, entry in measure(config, dataset).items()}
    save(config, dataset, stats)
    _LOGGER.info("norm stats written to %s", folder)
    return stats


def open_tables(config: schema.ConfigDict) -> dataset_lib.Recorded:
    """The dataset for its numbers alone: no images are cached for it. Raises what `data_source.open_dataset` does."""
    plain = config.copy_and_resolve_references()
    plain.data.cache = "none"
    return data_source.open_dataset(plain)


def measure(
    config: schema.ConfigDict, dataset: dataset_lib.Recorded, *, max_frames: int | None = None
) -> dict[str, measured_lib.Measured]:
    """What `state` and `actions` are as the model will see them before normalization."""
    return dataset_stats.measure(dataset, build_transforms.statistics(config), max_frames=max_frames)


def save(
    config: schema.ConfigDict,
    dataset: dataset_lib.Recorded,
    stats: Stats,
    *,
    max_frames: int | None = None,
    method: str = "exact",
) -> pathlib.Path:
    """Writes the statistics where `load_or_compute` looks for them, and beside them what they are of. Returns the file."""
    folder = directory(config)
    norm_stats.save(folder, stats)
    origin.save(folder, norm_stats_origin.describe(config, dataset, max_frames=max_frames, method=method))
    return folder / norm_stats.FILE_NAME


def command() -> str:
    """The command that computes the statistics of the configuration that this program was started with."""
    given = []
    for argument, following in itertools.pairwise([*sys.argv[1:], ""]):
        name, equals, _ = argument.partition("=")
        if name.lstrip("-") in ("config", "config_name") or name.lstrip("-").startswith("config."):
            given.append(argument if equals else f"{argument}={following}")
    return f"tools/bazel run //openpi/norm_stats -- {shlex.join(given) or '--config=...'}"


def _check_origin(config: schema.ConfigDict, dataset: dataset_lib.Recorded, folder: pathlib.Path) -> None:
    recorded = origin.load(folder)
    if recorded is None:
        return
    now = norm_stats_origin.describe(config, dataset)
    mend = f"compute them again with `{command()}`, or give other ones another place with --config.data.asset_id"
    if different := recorded.differences(now, recorded.UNITS):
        raise ValueError(
            f"the norm stats in {folder} are of other numbers than this configuration's: {'; '.join(different)}: {mend}"
        )
    if different := recorded.differences(now, recorded.SAMPLES):
        _LOGGER.warning("the norm stats in %s are of other data: %s: %s", folder, "; ".join(different), mend)
