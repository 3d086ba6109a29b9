"""Reads the checkpoint of an FSQ action tokenizer as it is published: an Orbax run with `<step>/{config,params}`."""

import json
import pathlib
from typing import Any

import numpy as np
from flax import traverse_util

from openpi.checkpoints import array_reader, stored_tree

_CONFIG_FILE = "config/metadata"
_PARAMS = "params"
_MAX_CONFIG_BYTES = 1 << 20


def load(directory: str | pathlib.Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings of the network, and its parameters as a nested dict of float32 arrays.

    Args:
      directory: the run; its latest step is read. (Published runs have one.)

    Raises:
      FileNotFoundError: there is no step, or it lacks its settings.
      ValueError: it is damaged.
    """
    directory = pathlib.Path(directory)
    steps = [entry for entry in directory.glob("*") if entry.name.isdecimal() and entry.is_dir()]
    if not steps:
        raise FileNotFoundError(
            f"no FSQ tokenizer at {directory}: it should hold a step folder such as '0/'; set config.tokenizer.codec to the "
            "folder of one"
        )
    step_dir = max(steps, key=lambda entry: int(entry.name))
    return _config(step_dir / _CONFIG_FILE), _params(step_dir / _PARAMS)


def _config(path: pathlib.Path) -> dict[str, Any]:
    if not path.is_file():
        raise FileNotFoundError(f"the FSQ tokenizer's settings are missing: {path}; download it again")
    if path.stat().st_size > _MAX_CONFIG_BYTES:
        raise ValueError(f"the FSQ tokenizer's settings at {path} are larger than {_MAX_CONFIG_BYTES} bytes")
    try:
        config = json.loads(path.read_bytes())
    except ValueError as error:
        raise stored_tree.damaged(path, error) from error
    if not isinstance(config, dict):
        raise stored_tree.damaged(path, f"a {type(config).__name__} in place of an object")
    return config


def _params(tree_dir: pathlib.Path) -> dict[str, Any]:
    found = stored_tree.open_arrays(tree_dir)
    arrays = list(found.values())
    try:
        read = list(array_reader.read(arrays, [np.float32] * len(arrays), title="reading FSQ tokenizer"))
    except stored_tree.DAMAGE as error:
        raise stored_tree.damaged(tree_dir, error) from error
    return traverse_util.unflatten_dict(dict(zip(found, read, strict=True)), sep="/")
