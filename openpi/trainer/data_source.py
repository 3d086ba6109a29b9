"""The data that a configuration trains on: one dataset, or several by their weights."""

import pathlib
from collections.abc import Mapping

from openpi.checkpoints.assets import cache
from openpi.config import schema
from openpi.data import dataset as dataset_lib
from openpi.data import image_cache, mixture
from openpi.trainer import lerobot_source

# What a dataset of `config.data.mixture` may have of its own, besides its weight.
_OWN = ("repo_id", "root", "revision", "reader")


def open_dataset(config: schema.ConfigDict) -> dataset_lib.Recorded:
    """Opens what `config.data` names, with actions as chunks: fetched, recorded or cached first, if need be.

    Raises:
      FileNotFoundError: a dataset is missing.
      OSError: one cannot be fetched, or the disk has no room for its cache.
      ValueError: one lacks what `config.data.repack` names, is damaged, or does not fit the others.
    """
    if config.data.kind not in _KINDS:
        raise ValueError(
            f"config.data.kind is {config.data.kind!r}, which has no dataset; {', '.join(_KINDS)} have one"
        )
    return _KINDS[config.data.kind](config)


def tasks(config: schema.ConfigDict, dataset: dataset_lib.Recorded) -> Mapping[int, str] | None:
    """The instructions by task index where `config.data.prompt_from_task`; None elsewhere."""
    return dict(enumerate(dataset.tasks)) if config.data.prompt_from_task else None


def _open_lerobot(config: schema.ConfigDict) -> dataset_lib.Recorded:
    data = config.data
    parts = [_of_mixture(config, number) for number in range(len(data.mixture))] or [data]
    datasets = image_cache.cached(
        [lerobot_source.open_dataset(config, part) for part in parts],
        data.cache,
        _cache_dir(),
        image_size=config.model.image_size,
        max_gib=data.cache_max_gib,
    )
    if not data.mixture:
        return datasets[0]
    return mixture.Mixture([(dataset, entry["weight"]) for dataset, entry in zip(datasets, data.mixture, strict=True)])


def _of_mixture(config: schema.ConfigDict, number: int) -> schema.ConfigDict:
    """`config.data` as it is for one dataset of the mixture."""
    entry = config.data.mixture[number]
    own = {"repo_id": "", "root": "", "revision": ""} | {key: value for key, value in entry.items() if key in _OWN}
    part = config.data.copy_and_resolve_references()
    with part.unlocked():
        part.update(own, generator="")
    return part


def _open_droid_rlds(config: schema.ConfigDict) -> dataset_lib.Recorded:
    from openpi.data.rlds import open_droid  # only here: few train on it

    return mixture.Mixture(open_droid.open_droid(config))


_KINDS = {"lerobot": _open_lerobot, "droid_rlds": _open_droid_rlds}


def _cache_dir() -> pathlib.Path:
    return cache.data_home() / "frames"
