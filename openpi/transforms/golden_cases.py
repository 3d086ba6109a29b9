"""Reads reference cases of transforms (testdata `cases.json` + `arrays.npz`) and runs transforms against them. For tests."""

import copy
import dataclasses
import json
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from openpi.transforms import transform, tree_paths


@dataclasses.dataclass(frozen=True)
class Case:
    """One call of a transform: what it was built with, what went in, and what came out or was raised."""

    id: str
    args: dict[str, Any]
    inputs: dict
    outputs: dict | None
    raises: type[Exception] | None


def load(directory: pathlib.Path, name: str) -> list[Case]:
    """Returns the cases of the transform with the published name `name`."""
    arrays = np.load(directory / "arrays.npz", allow_pickle=False)
    entries = [entry for entry in json.loads((directory / "cases.json").read_text()) if entry["transform"] == name]
    if not entries:
        raise ValueError(f"no cases of {name} in {directory}")
    return [
        Case(
            id=entry["id"],
            args=entry["args"],
            inputs=_tree(entry["in"], arrays),
            outputs=_tree(entry["out"], arrays) if "out" in entry else None,
            raises={"KeyError": KeyError, "ValueError": ValueError}[entry["raises"]] if "raises" in entry else None,
        )
        for entry in entries
    ]


def run(case: Case, build: Callable[[], transform.Transform]) -> None:
    """Builds and calls the transform: the result, or the exception, is the case's, and the input stays as it was."""
    untouched = copy.deepcopy(case.inputs)
    if case.raises is None:
        assert_equal(build()(case.inputs), case.outputs)
    else:
        with pytest.raises(case.raises) as caught:
            build()(case.inputs)
        assert "\n" not in str(caught.value)
    assert_equal(case.inputs, untouched)


def assert_equal(actual: dict, expected: dict) -> None:
    """Compares two trees: same paths, types, dtypes and shapes; numbers to 1e-12."""
    actual, expected = tree_paths.flatten_dict(actual), tree_paths.flatten_dict(expected)
    assert set(actual) == set(expected)
    for path, value in expected.items():
        if isinstance(value, str | bytes):
            assert isinstance(actual[path], type(value)), path
            assert actual[path] == value, path
            continue
        assert actual[path].dtype == value.dtype, path
        if np.issubdtype(value.dtype, np.floating):
            np.testing.assert_allclose(actual[path], value, rtol=1e-12, atol=1e-12, strict=True, err_msg=path)
        else:
            np.testing.assert_array_equal(actual[path], value, strict=True, err_msg=path)


def _tree(leaves: list[dict], arrays: Any) -> dict:
    tree = {}
    for leaf in leaves:
        node = tree
        *parents, last = leaf["path"]
        for parent in parents:
            node = node.setdefault(parent, {})
        if "array" in leaf:
            node[last] = arrays[leaf["array"]]
        elif "bytes_utf8" in leaf:
            node[last] = leaf["bytes_utf8"].encode()
        else:
            node[last] = np.asarray(leaf["string_array"]) if "string_array" in leaf else leaf["value"]
    return tree
