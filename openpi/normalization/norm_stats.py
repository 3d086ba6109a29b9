"""Normalization statistics and their file, `<directory>/norm_stats.json`, in the published format.

{"norm_stats": {"state": {"mean": [...], "std": [...], "q01": [...] or null, "q99": [...] or null}, "actions": {...}}}
"""

import dataclasses
import json
import os
import pathlib
from typing import Any

import numpy as np

FILE_NAME = "norm_stats.json"


@dataclasses.dataclass(frozen=True)
class NormStats:
    """Statistics of one key, each a 1-D array over its dims: mean, standard deviation, 1 % and 99 % quantiles."""

    mean: np.ndarray
    std: np.ndarray
    q01: np.ndarray | None = None
    q99: np.ndarray | None = None


def load(directory: os.PathLike | str) -> dict[str, NormStats]:
    """Reads `<directory>/norm_stats.json`.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: the file is not what it should be; the text names the file and the field.
    """
    path = pathlib.Path(directory) / FILE_NAME
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise FileNotFoundError(
            f"norm stats not found: no {FILE_NAME} in {path.parent}; compute them with `tools/bazel run //openpi/norm_stats -- "
            "--config=...` (of the same configuration) or set config.data.assets_dir"
        ) from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text: {error}") from None
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not valid JSON: {error}") from None
    table = content.get("norm_stats") if isinstance(content, dict) else None
    _require(isinstance(table, dict), f"{path}: field 'norm_stats' must be an object of keys and their statistics")
    return {key: _parse(path, key, fields) for key, fields in table.items()}


def save(directory: os.PathLike | str, stats: dict[str, NormStats]) -> None:
    """Writes `<directory>/norm_stats.json` whole or not at all; makes the directory if need be."""
    path = pathlib.Path(directory) / FILE_NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    table = {
        key: {name: None if value is None else value.tolist() for name, value in vars(entry).items()}
        for key, entry in stats.items()
    }
    partial = path.with_name(f".{FILE_NAME}.{os.getpid()}")
    partial.write_text(json.dumps({"norm_stats": table}, indent=2), encoding="utf-8")
    partial.replace(path)


def _parse(path: pathlib.Path, key: str, fields: Any) -> NormStats:
    _require(isinstance(fields, dict), f"{path}: field 'norm_stats.{key}' must be an object with mean and std")
    arrays = {}
    for name in ("mean", "std", "q01", "q99"):
        values = fields.get(name)
        if values is None and name in ("q01", "q99"):
            continue
        where = f"{path}: field 'norm_stats.{key}.{name}'"
        # bool is an int to Python, and a list of bools no statistics.
        numbers = isinstance(values, list) and all(type(value) in (int, float) for value in values)
        _require(numbers, f"{where} must be a flat list of numbers")
        try:
            array = np.asarray(values, np.float64)
        except OverflowError:  # a whole number beyond any float
            array = np.array([np.inf])
        _require(bool(np.isfinite(array).all()), f"{where} holds a number that is not finite")
        width = len(arrays.get("mean", array))
        _require(len(array) == width, f"{where} has {len(array)} numbers, its mean {width}")
        arrays[name] = array
    return NormStats(**arrays)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)
