"""A LeRobot dataset as a configuration names it: found, fetched from the Hub, or recorded in simulation."""

import logging
import pathlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import filelock

from openpi.checkpoints.assets import cache
from openpi.config import schema
from openpi.data import hub
from openpi.data.lerobot import info as lerobot_info
from openpi.data.lerobot import reader

_LOGGER = logging.getLogger("openpi")


def root_dir(data: schema.ConfigDict) -> pathlib.Path:
    """The folder of the dataset of `config.data` on this machine, fetched or not.

    Raises:
      ValueError: the configuration names no dataset.
    """
    if data.root:
        return pathlib.Path(data.root).expanduser().absolute()
    if not data.repo_id:
        raise ValueError(
            "config.data.repo_id is empty: this configuration is for inference; "
            "to train with it set --config.data.repo_id=NAME, or --config.data.root=FOLDER of a LeRobot dataset"
        )
    return cache.data_home() / "datasets" / data.repo_id


def open_dataset(config: schema.ConfigDict, data: schema.ConfigDict) -> reader.LeRobotDataset:
    """Opens one dataset, with actions as chunks.

    Args:
      config: the configuration.
      data: its `data`, or that of one dataset of its mixture.

    Raises:
      FileNotFoundError: it is missing, here and on the Hub.
      OSError: it cannot be fetched.
      ValueError: it lacks what `data.repack` names, is damaged, or is not the one that would be recorded.
    """
    root = _provide(data)
    package = _package() if data.reader == "lerobot" else None
    info = lerobot_info.load(root) if package is None else package.load_info(root)
    if data.generator and info.total_episodes != data.generator_episodes:
        raise ValueError(
            f"the dataset at {root} has {info.total_episodes} episodes and config.data.generator_episodes is "
            f"{data.generator_episodes}; remove that folder to record anew, or give it another --config.data.repo_id"
        )
    names = dict(_leaves(data.repack.to_dict(), "config.data.repack"))
    names |= {f"config.data.action_sequence_keys[{i}]": key for i, key in enumerate(data.action_sequence_keys)}
    for field, key in names.items():
        if key not in (*info.features, "task", "prompt"):
            known = ", ".join(name for name in info.features if name not in lerobot_info.INDEX_FEATURES)
            raise ValueError(f"{field} is {key!r}, which the dataset at {root} does not have; it has: {known}")
    chunk = [step / info.fps for step in range(config.model.action_horizon)]
    wanted: dict[str, Any] = {
        "delta_timestamps": dict.fromkeys(data.action_sequence_keys, chunk),
        "keys": sorted({key for key in names.values() if key in info.features}),
    }
    if package is None:
        dataset = reader.LeRobotDataset(root, **wanted, skip_bad_episodes=data.skip_bad_episodes)
    else:
        dataset = package.LeRobotDataset(root, **wanted)
    _LOGGER.info("dataset %s: %d episodes, %d frames", root, len(dataset.episodes), len(dataset))
    return dataset


def _provide(data: schema.ConfigDict) -> pathlib.Path:
    """The dataset's folder, after what it takes to have one."""
    root = root_dir(data)
    if data.generator:
        if not root.exists():
            root.parent.mkdir(parents=True, exist_ok=True)
            with filelock.FileLock(root.with_name(f".{root.name}.lock")):  # of several processes one records
                if not root.exists():
                    _GENERATORS[data.generator](root, data)
    elif not data.root and (data.revision or not root.exists()):
        return hub.fetch(data.repo_id, revision=data.revision, root=root)
    return root


def _record_aloha(*tasks: str) -> Callable[[pathlib.Path, schema.ConfigDict], None]:
    def record_tasks(root: pathlib.Path, data: schema.ConfigDict) -> None:
        from openpi.sims.aloha import record  # only here: who trains on a real robot's data needs no simulator

        record.generate(root, num_episodes=data.generator_episodes, tasks=tasks, seed=data.generator_seed)

    return record_tasks


_GENERATORS = {
    "aloha_reach": _record_aloha("reach"),
    "aloha_pick": _record_aloha("pick"),
    "aloha_transfer": _record_aloha("transfer"),
    "aloha_tasks": _record_aloha("reach", "pick", "transfer"),
}


def _package() -> Any:
    from openpi.data.lerobot_package import lerobot_dataset  # only here: it may bring torch

    return lerobot_dataset


def _leaves(tree: Mapping[str, Any], path: str) -> Iterator[tuple[str, str]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{path}.{key}")
        else:
            yield f"{path}.{key}", value
