"""What a dataset holds, as data for machines and as text for people."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from openpi.data import feature_names
from openpi.data.lerobot import info as lerobot_info
from openpi.data.lerobot import reader

_FEW = 10  # as many of a list are named in the text
_WIDE = 80  # characters of a list of names
_SHORT = 0.1  # of the median: an episode that short is told


def describe(dataset: reader.LeRobotDataset) -> dict[str, Any]:
    """Plain data: nothing but what JSON knows."""
    lengths = dataset.episodes.length
    first_rows = dataset.table("task_index")[dataset.episodes.start]
    frames_of_task = np.bincount(dataset.table("task_index"), minlength=len(dataset.tasks))
    episodes_of_task = np.bincount(first_rows, minlength=len(dataset.tasks))
    sizes = {part: _bytes(dataset.root / part) for part in ("meta", "data", "videos")}
    return {
        "path": str(dataset.root),
        "robot": dataset.info.robot_type,
        "version": dataset.info.version,
        "fps": dataset.fps,
        "episodes": len(dataset.episodes),
        "frames": len(dataset),
        "hours": len(dataset) / dataset.fps / 3600,
        "lengths": {"min": int(lengths.min()), "median": float(np.median(lengths)), "max": int(lengths.max())},
        "bytes": sizes | {"total": sum(sizes.values())},
        "tasks": [
            {"task": task, "episodes": int(episodes), "frames": int(frames)}
            for task, episodes, frames in zip(dataset.tasks, episodes_of_task, frames_of_task, strict=True)
        ],
        "features": {
            key: {"dtype": feature.dtype, "shape": list(feature.shape), "names": feature_names.of(feature)}
            for key, feature in dataset.features.items()
            if key not in lerobot_info.INDEX_FEATURES
        },
        "unreadable": {str(episode): reason for episode, reason in dataset.skipped.items()},
        "notes": notes(dataset),
    }


def notes(dataset: reader.LeRobotDataset) -> list[str]:
    """What a user should know before training on it."""
    said = []
    for key, feature in dataset.features.items():
        if feature.is_image or feature.dtype == "string" or key in lerobot_info.INDEX_FEATURES:
            continue
        values = dataset.table(key).reshape(len(dataset), -1)
        still = np.flatnonzero(values.min(axis=0) == values.max(axis=0))
        if len(still) and len(dataset) > 1:
            labels = feature_names.of(feature)
            shown = [labels[i] if len(labels) == values.shape[1] else str(i) for i in still.tolist()]
            said.append(f"{key} never changes in {_some(shown)}" if values.shape[1] > 1 else f"{key} never changes")
    lengths = dataset.episodes.length
    if len(short := np.flatnonzero(lengths < max(2, _SHORT * np.median(lengths)))):
        where = _some([str(n) for n in dataset.episodes.index[short].tolist()])
        said.append(f"much shorter than most, or of one frame: {_count(len(short), 'episode')}: {where}")
    unused = np.bincount(dataset.table("task_index"), minlength=len(dataset.tasks)) == 0
    said += [f"no frame has the task {task!r}" for task, idle in zip(dataset.tasks, unused, strict=True) if idle]
    said += [f"the task {task!r} says nothing" for task in dataset.tasks if not task.strip()]
    if not any(feature.is_image for feature in dataset.features.values()):
        said.append("it has no camera")
    return said


def render(told: Mapping[str, Any]) -> str:
    """The text for people."""
    size = told["bytes"]
    lengths = told["lengths"]
    seconds = {name: length / told["fps"] for name, length in lengths.items()}
    head = {
        "robot": told["robot"] or "not said",
        "format": f"LeRobot {told['version']}",
        "fps": f"{told['fps']:g}",
        "episodes": f"{told['episodes']:,}",
        "frames": f"{told['frames']:,} ({told['hours']:.2f} hours)",
        "lengths": "; ".join(f"{name} {lengths[name]:,g} ({seconds[name]:.1f} s)" for name in ("min", "median", "max")),
        "on disk": f"{_size(size['total'])} (data {_size(size['data'])}, videos {_size(size['videos'])})",
    }
    lines = [told["path"], *_columns([[name, value] for name, value in head.items()]), ""]
    tasks = sorted(told["tasks"], key=lambda task: -task["frames"])
    rows = [[f"{task['episodes']:,}", f"{task['frames']:,}", task["task"]] for task in tasks[:_FEW]]
    lines += _columns([["episodes", "frames", "task"], *rows])
    if len(tasks) > _FEW:
        lines.append(f"and {len(tasks) - _FEW} more tasks")
    rows = [
        [key, feature["dtype"], str(feature["shape"]), _shorten(", ".join(feature["names"]))]
        for key, feature in told["features"].items()
    ]
    lines += ["", *_columns([["feature", "dtype", "shape", "names"], *rows]), ""]
    lines += [f"note: {note}" for note in told["notes"]]
    bad = list(told["unreadable"].values())
    lines += [f"bad: {reason}" for reason in bad[:_FEW]]
    if len(bad) > _FEW:
        lines.append(f"and {len(bad) - _FEW} more")
    if bad:
        lines.append(f"{_count(len(bad), 'episode')} cannot be used; config.data.skip_bad_episodes leaves them out")
    elif not told["notes"]:
        lines.append("no problems found")
    return "\n".join(lines)


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    return ["  ".join([*(cell.ljust(width) for cell, width in zip(row, widths)), row[-1]]).rstrip() for row in rows]


def _shorten(text: str) -> str:
    return text if len(text) <= _WIDE else f"{text[: _WIDE - 3]}..."


def _some(items: Sequence[str]) -> str:
    more = f" and {len(items) - _FEW} more" if len(items) > _FEW else ""
    return ", ".join(items[:_FEW]) + more


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" + "s" * (number != 1)


def _size(number: int) -> str:
    value = float(number)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def _bytes(folder: pathlib.Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
