"""The weights that training starts from, before fresh ones fill the gaps."""

import logging
import pathlib
from collections.abc import Callable
from typing import Any, NamedTuple

from openpi.checkpoints import locate, merge, paligemma, restore
from openpi.checkpoints.pytorch import read as pytorch_read
from openpi.config import schema

_PALIGEMMA = "gs://vertex-model-garden-paligemma-us/paligemma/pt_224.npz"  # published, readable by anyone

_LOGGER = logging.getLogger("openpi")


class _Kind(NamedTuple):
    """A kind of weights: how the model's part of it is read, and which of the model's paths it need not hold."""

    read: Callable[[pathlib.Path, dict[str, Any]], dict[str, Any]]
    fresh: str  # regular expression: what begins at random if it is not there; anything else is an error


_ADAPTERS = ".*lora.*"


def _read_checkpoint(path: pathlib.Path, expected: dict[str, Any]) -> dict[str, Any]:
    dtype = restore.EXPECTED_DTYPES
    return restore.restore_params(path, expected=expected, missing=_ADAPTERS, dtype=dtype)


def _read_pytorch(path: pathlib.Path, expected: dict[str, Any]) -> dict[str, Any]:
    return pytorch_read.read_params(path, expected=expected, dtype=pytorch_read.EXPECTED_DTYPES)


_KINDS = {
    "checkpoint": _Kind(_read_checkpoint, _ADAPTERS),  # of ours, or published
    "pytorch": _Kind(_read_pytorch, _ADAPTERS),  # the published layouts of pi0 and pi0.5
    "paligemma": _Kind(paligemma.read_params, ".*"),  # the vision-language model alone
}


def load(weights: schema.ConfigDict, expected: dict[str, Any]) -> dict[str, Any]:
    """The leaves of the model's tree that `config.weights` provides, as numpy arrays in the tree's dtypes.

    Args:
      weights: `config.weights`.
      expected: the model's tree; leaves have `shape` and `dtype`.

    Returns:
      A part of that tree: all but what the weights need not hold; empty for kind "none".

    Raises:
      FileNotFoundError: there is nothing at `config.weights.path`.
      OSError: it is a URL, and cannot be fetched.
      ValueError: it is damaged, or of another model.
    """
    if weights.kind == "none":
        return {}
    kind = _KINDS[weights.kind]
    path = locate.local(weights.path or _PALIGEMMA)
    merged = merge.merge(kind.read(path, expected), expected, missing=kind.fresh)
    merge.check(merged, expected, what=f"the weights at {path}")
    _LOGGER.info("starting from the %s weights at %s", weights.kind, path)
    return merge.loaded_only(merged)
