"""The weights that training starts from, before fresh ones fill the gaps."""

import logging
from typing import Any

from openpi.checkpoints import layout, merge, restore
from openpi.config import schema

_LOGGER = logging.getLogger("openpi")

_FRESH = ".*lora.*"  # adapters that a checkpoint lacks begin at random; anything else that it lacks is an error


def load(weights: schema.ConfigDict, expected: dict[str, Any]) -> dict[str, Any]:
    """The leaves of the model's tree that `config.weights` provides, as numpy arrays in the tree's dtypes.

    Args:
      weights: `config.weights`.
      expected: the model's tree; leaves have `shape` and `dtype`.

    Returns:
      A part of that tree: all but the LoRA adapters that the checkpoint lacks; empty for kind "none".

    Raises:
      FileNotFoundError: there is no checkpoint at `config.weights.path`, or it is on another machine.
      ValueError: it is of another model.
    """
    if weights.kind == "none":
        return {}
    params_dir = layout.find_params_dir(weights.path)
    merged = merge.merge(restore.restore_params(params_dir), expected, missing=_FRESH)
    merge.check(merged, expected, what=f"the weights at {params_dir}")
    _LOGGER.info("starting from the weights at %s", params_dir)
    return merge.loaded_only(merged)
