"""Reads golden arrays in tests."""

import pathlib
from typing import Any

import numpy as np
from flax import traverse_util

TESTDATA = pathlib.Path(__file__).parent / "testdata"


def load(name: str) -> dict[str, np.ndarray]:
    """All arrays of `testdata/<name>.npz` by their flat names."""
    with np.load(TESTDATA / f"{name}.npz", allow_pickle=False) as arrays:
        return {key: arrays[key] for key in arrays.files}


def subtree(arrays: dict[str, np.ndarray], prefix: str = "") -> dict[str, Any]:
    """Nested dict of the arrays whose names begin with `prefix/` (all when empty), without that prefix."""
    start = f"{prefix}/" if prefix else ""
    flat = {key.removeprefix(start): array for key, array in arrays.items() if key.startswith(start)}
    return traverse_util.unflatten_dict(flat, sep="/")
