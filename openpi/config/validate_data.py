"""Checks of `config.data` that need no data: do robot, dataset keys and model fit together?"""

import math
from collections.abc import Mapping

from openpi.client import robot_description
from openpi.config import schema
from openpi.transforms import tree_paths

_READERS = ("openpi", "lerobot")


def validate(config: schema.ConfigDict) -> None:
    """Raises ValueError, in one line, for the first field that cannot work."""
    if not 0 <= config.data.min_std < math.inf:
        raise ValueError(f"config.data.min_std={config.data.min_std} must be a number, 0 (off) or more")
    _check_robot(config)
    _check_repack(config)
    _check_rlds(config.data)
    _check_cache(config.data)
    _check_mixture(config.data)
    _check_reader(config.data)


def _check_robot(config: schema.ConfigDict) -> None:
    if "robot" in config.policy_metadata:
        raise ValueError(
            "config.policy_metadata.robot is not yours to set: clients get config.data.robot under that name"
        )
    robot, model = robot_description.from_dict(config.data.robot.to_dict(), "config.data.robot"), config.model
    images = [camera.image for camera in robot.cameras]
    if unknown := [key for key in model.image_keys if key not in images]:
        raise ValueError(
            f"config.model.image_keys names {unknown[0]!r}, which config.data.robot.cameras does not make; it makes: "
            f"{', '.join(images)}"
        )
    # pi0-FAST pads nothing, and reads the state as text.
    padded = {"actions": len(robot.actions)}
    if model.type != "pi0_fast":
        padded["state numbers"] = len(robot.state_names)
    for what, width in padded.items():
        if width > model.action_dim:
            raise ValueError(
                f"config.model.action_dim={model.action_dim} is less than the {width} {what} of config.data.robot "
                f"({robot.name}): raise it"
            )
    if model.type == "pi0_fast" and config.data.kind != "fake" and model.action_dim != len(robot.actions):
        raise ValueError(
            f"config.model.action_dim={model.action_dim}, and config.data.robot ({robot.name}) has {len(robot.actions)} "
            "actions, which pi0_fast does not pad: set it to that"
        )


def _check_repack(config: schema.ConfigDict) -> None:
    """What the robot needs is made of the dataset's keys; asked of configurations that have a dataset."""
    data = config.data
    if data.kind == "fake" or not (data.repo_id or data.root or data.mixture or data.kind == "droid_rlds"):
        return
    robot, made = data.robot, tree_paths.flatten_dict(data.repack.to_dict())
    needed = [part["key"] for part in robot.state] + ["actions"]
    needed += [camera["source"] for camera in robot.cameras if camera["missing"] == "error"]
    if missing := [key for key in needed if key not in made]:
        raise ValueError(
            f"config.data.repack makes no {missing[0]!r}, which config.data.robot ({robot.name}) needs; it makes: "
            f"{', '.join(made)}"
        )
    used = [*needed, *(camera["source"] for camera in robot.cameras), *robot.ignored_cameras, "prompt"]
    if unused := [key for key in made if key not in used]:
        raise ValueError(
            f"config.data.repack makes {unused[0]!r}, of which config.data.robot ({robot.name}) says nothing; it takes: "
            f"{', '.join(dict.fromkeys(filter(None, used)))}"
        )
    if data.kind == "lerobot" and made["actions"] not in data.action_sequence_keys:
        raise ValueError(
            f"config.data.repack makes the actions of {made['actions']!r}, which must be read as chunks: add it to "
            f"config.data.action_sequence_keys={tuple(data.action_sequence_keys)}"
        )
    if data.prompt_from_task and "prompt" not in made:
        raise ValueError(
            "config.data.prompt_from_task is set, but config.data.repack drops it: add {'prompt': 'prompt'}"
        )


def _check_rlds(data: schema.ConfigDict) -> None:
    if data.kind != "droid_rlds":
        return
    if not data.rlds.datasets:
        raise ValueError(
            "config.data.rlds.datasets is empty: name at least one {'name', 'version', 'weight', 'filter'}"
        )
    weights = [dataset.get("weight") for dataset in data.rlds.datasets]
    if not all(type(weight) in (int, float) and weight > 0 for weight in weights) or math.fsum(weights) != 1:
        raise ValueError(
            f"config.data.rlds.datasets have the weights {weights}: they must be positive and sum to exactly 1"
        )
    if data.rlds.action_space == "joint_velocity" and any(data.robot.delta_mask):
        raise ValueError(
            "config.data.rlds.action_space='joint_velocity', but config.data.robot.delta_mask subtracts joint positions: "
            "set it to ()"
        )


def _check_cache(data: schema.ConfigDict) -> None:
    if not 0 < data.cache_max_gib < math.inf:
        raise ValueError(f"config.data.cache_max_gib={data.cache_max_gib} must be positive")
    if data.kind != "lerobot" and data.cache in ("frames", "video"):
        raise ValueError(f"config.data.cache={data.cache!r} is for LeRobot datasets: set it to 'none'")


def _check_mixture(data: schema.ConfigDict) -> None:
    known = ("weight", "repo_id", "root", "revision", "reader")
    for number, entry in enumerate(data.mixture):
        field = f"config.data.mixture[{number}]"
        if not isinstance(entry, Mapping) or set(entry) - set(known) or not (entry.get("repo_id") or entry.get("root")):
            raise ValueError(
                f"{field} must have 'weight' and 'repo_id' or 'root', and may have 'revision' and 'reader'"
            )
        weight = entry.get("weight")
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight < math.inf:
            raise ValueError(f"{field} has the weight {weight!r}, and it must be a positive number")


def _check_reader(data: schema.ConfigDict) -> None:
    of_mixture = {
        f"config.data.mixture[{number}]['reader']": entry.get("reader", data.reader)
        for number, entry in enumerate(data.mixture)
    }
    for field, reader in (of_mixture or {"config.data.reader": data.reader}).items():
        if reader not in _READERS:
            raise ValueError(f"{field} is {reader!r}, and must be one of {', '.join(_READERS)}")
        if reader == "lerobot" and data.skip_bad_episodes:
            raise ValueError(
                f"{field}='lerobot' cannot leave episodes out, and config.data.skip_bad_episodes is set: unset it, or set the "
                "reader to 'openpi'"
            )
