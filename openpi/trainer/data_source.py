"""The dataset that a configuration trains on: found, or recorded in simulation, or a clear line that says how to get it."""

import logging
import pathlib

from openpi.checkpoints.assets import cache
from openpi.config import schema
from openpi.data import frame_cache
from openpi.data.lerobot import info as lerobot_info
from openpi.data.lerobot import reader

_LOGGER = logging.getLogger("openpi")


def root_dir(data: schema.ConfigDict) -> pathlib.Path:
    """The folder of the dataset of `config.data`.

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


def open_dataset(config: schema.ConfigDict) -> reader.LeRobotDataset:
    """Opens the dataset of `config.data`, with actions as chunks; records it first if it is missing and can be simulated.

    Raises:
      FileNotFoundError: it is missing.
      ValueError: it lacks what `config.data.repack` names, is damaged, or is not the one that would be recorded.
    """
    data, root = config.data, root_dir(config.data)
    if data.generator and not root.exists():
        _GENERATORS[data.generator](root, data)
    info = lerobot_info.load(root)
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
    dataset = reader.LeRobotDataset(
        root,
        delta_timestamps=dict.fromkeys(data.action_sequence_keys, chunk),
        keys=sorted({key for key in names.values() if key in info.features}),
    )
    _LOGGER.info("dataset %s: %d episodes, %d frames", root, info.total_episodes, len(dataset))
    return frame_cache.cached(dataset, cache.data_home() / "frames") if data.cache_frames else dataset


def _record_aloha_reach(root: pathlib.Path, data: schema.ConfigDict) -> None:
    from openpi.sims.aloha_reach import record  # only here: who trains on a real robot's data needs no simulator

    record.generate(root, num_episodes=data.generator_episodes, seed=data.generator_seed)


_GENERATORS = {"aloha_reach": _record_aloha_reach}


def _leaves(tree: dict, path: str):
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{path}.{key}")
        else:
            yield f"{path}.{key}", value
