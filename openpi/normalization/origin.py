"""What normalization statistics were computed from: a small record beside their file, `norm_stats.origin.json`.

The published format stays as it is, and statistics without a record are as good as any. With one, statistics of another
robot, horizon or dataset are noticed rather than used in silence. Checkpoints carry the statistics without it: who trains on
with theirs has another dataset, whose columns have other names, and means it.
"""

import dataclasses
import hashlib
import json
import os
import pathlib
from typing import Any, Self

from openpi.normalization import norm_stats

FILE_NAME = "norm_stats.origin.json"
_VERSION = 1


@dataclasses.dataclass(frozen=True)
class Origin:
    """Plain JSON values each; what differs in `UNITS` makes statistics wrong, what differs in `SAMPLES` other ones."""

    dataset: dict[str, Any]  # what tells it from another one: lengths, fingerprint
    action_horizon: int
    delta_mask: list[bool]  # actions relative to the state
    robot: dict[str, Any]  # parts and conversions of state and actions
    repack: dict[str, Any]  # the dataset's names of state and actions
    method: str  # "exact" or "published"
    min_std: float
    frames: int  # that were measured

    UNITS = ("delta_mask", "robot", "repack")
    SAMPLES = ("dataset", "action_horizon")

    def differences(self, other: Self, names: tuple[str, ...]) -> list[str]:
        """What of these fields is not as in `other`, for people: "NAME is VALUE, not VALUE"."""
        told = []
        for name in names:
            ours, theirs = _plain(getattr(self, name)), _plain(getattr(other, name))
            if ours == theirs:
                continue
            if isinstance(ours, dict) and isinstance(theirs, dict):
                keys = [key for key in {**ours, **theirs} if ours.get(key) != theirs.get(key)]
                told += [f"{name}.{key} is {_short(ours.get(key))}, not {_short(theirs.get(key))}" for key in keys]
            else:
                told.append(f"{name} is {_short(ours)}, not {_short(theirs)}")
        return told


def save(directory: os.PathLike | str, origin: Origin) -> None:
    """Writes it beside the `norm_stats.json` that is there now, and that it is bound to; whole or not at all."""
    path = pathlib.Path(directory) / FILE_NAME
    content = {"version": _VERSION, "norm_stats_sha256": _digest(path.parent), **dataclasses.asdict(origin)}
    partial = path.with_name(f".{FILE_NAME}.{os.getpid()}")
    partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    partial.replace(path)


def load(directory: os.PathLike | str) -> Origin | None:
    """The record of the `norm_stats.json` in a folder.

    None if there is none, if it is of other statistics than those that are there now (somebody copied a file), or of
    another version.

    Raises:
      ValueError: the record is damaged.
    """
    path = pathlib.Path(directory) / FILE_NAME
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not valid JSON: {error}; remove it, or compute the statistics again") from None
    if not isinstance(content, dict) or content.get("version") != _VERSION:
        return None
    if content.get("norm_stats_sha256") != _digest(path.parent):
        return None
    fields = {field.name: content.get(field.name) for field in dataclasses.fields(Origin)}
    for name, value in fields.items():
        if value is None:
            raise ValueError(f"{path} has no field {name!r}: remove it, or compute the statistics again")
    return Origin(**fields)


def _digest(directory: pathlib.Path) -> str:
    try:
        return hashlib.sha256((directory / norm_stats.FILE_NAME).read_bytes()).hexdigest()
    except FileNotFoundError:
        return ""


def _plain(value: Any) -> Any:
    """As JSON gives it back: lists for tuples."""
    return json.loads(json.dumps(value))


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
