"""Results as a table for people and as JSON for machines."""

import dataclasses
import importlib.metadata
import json
import pathlib
import platform
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from openpi.evaluate import columns, episode, wilson

# What success is counted for, metres; in other tasks, for what the task itself calls so.
TOLERANCES = {"reach": (0.02, 0.03)}
_PACKAGES = ("jax", "jaxlib", "flax", "numpy", "mujoco", "gym-aloha", "dm-control", "websockets")


@dataclasses.dataclass(frozen=True)
class Row:
    """The episodes of one policy in one task."""

    policy: str
    task: str
    episodes: Sequence[episode.Episode]

    @property
    def tolerances(self) -> tuple[float | None, ...]:
        """What success is counted for: within these distances, metres, or None for what the task itself calls so."""
        return TOLERANCES.get(self.task, (None,))

    def successes(self, tolerance: float | None) -> int:
        return sum(each.success if tolerance is None else each.within(tolerance) for each in self.episodes)

    @property
    def distances(self) -> list[float]:
        """Final distances in metres, of the episodes that have one."""
        return [each.distance for each in self.episodes if each.distance is not None]

    @property
    def broken(self) -> int:
        """How many episodes did not run to their end."""
        return sum(not each.complete for each in self.episodes)


def rows(episodes: Iterable[episode.Episode]) -> list[Row]:
    """A row for each policy and task, in the order of their first episodes; the episodes of each by their numbers."""
    found: dict[tuple[str, str], list[episode.Episode]] = {}
    for each in episodes:
        found.setdefault((each.policy, each.task), []).append(each)
    return [Row(*key, sorted(own, key=lambda each: each.episode)) for key, own in found.items()]


def table(rows: Sequence[Row]) -> str:
    """Returns the results as lines of text, one a policy and task."""
    measured = all(row.distances or row.broken for row in rows)
    tasks = len({row.task for row in rows}) > 1
    tolerances = (None,) if tasks else rows[0].tolerances
    names = ["success" if tolerance is None else f"within {100 * tolerance:g} cm" for tolerance in tolerances]
    head = ["policy", *(["task"] if tasks else []), *names, *(["final distance"] if measured else []), "steps"]
    lines = [head]
    for row in rows:
        rates = [_rate(row, tolerance) for tolerance in tolerances]
        distance = [_distance(row)] if measured else []
        lines.append([row.policy, *([row.task] if tasks else []), *rates, *distance, _steps(row)])
    return columns.align(lines)


def to_json(rows: Sequence[Row], *, conditions: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Returns everything that was measured, and under which conditions. Distances in metres; null: there is none.

    Args:
      rows: what was measured.
      conditions: under which.
      **more: further entries.
    """
    return {
        **more,
        "conditions": dict(conditions),
        "rows": [
            {
                "policy": row.policy,
                "task": row.task,
                "success": [_interval(row, tolerance) for tolerance in row.tolerances],
                "mean_distance": float(np.mean(row.distances)) if row.distances else None,
                "median_distance": float(np.median(row.distances)) if row.distances else None,
                "broken_episodes": row.broken,
                "episodes": [_without_names(episode.to_json(each)) for each in row.episodes],
            }
            for row in rows
        ],
    }


def write_json(path: pathlib.Path, content: Mapping[str, Any]) -> None:
    """Writes `content` whole or not at all."""
    write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


def write_text(path: pathlib.Path, text: str) -> None:
    """Writes `text` whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def versions() -> dict[str, str]:
    """The versions of what an episode passes through."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _without_names(content: dict[str, Any]) -> dict[str, Any]:
    return {field: value for field, value in content.items() if field not in ("policy", "task")}


def _interval(row: Row, tolerance: float | None) -> dict[str, float | int | None]:
    successes, trials = row.successes(tolerance), len(row.episodes)
    low, high = wilson.interval(successes, trials)
    return {
        "tolerance": tolerance,
        "successes": successes,
        "trials": trials,
        "rate": successes / trials,
        "low95": low,
        "high95": high,
    }


def _rate(row: Row, tolerance: float | None) -> str:
    found = row.successes(tolerance), len(row.episodes)
    low, high = wilson.interval(*found)
    return f"{100 * found[0] / found[1]:.0f} % ({100 * low:.0f}-{100 * high:.0f})"


def _distance(row: Row) -> str:
    text = f"{100 * np.mean(row.distances):.1f} cm" if row.distances else "-"
    return f"{text}, {row.broken} broken" if row.broken else text


def _steps(row: Row) -> str:
    return f"{np.mean([each.steps for each in row.episodes]):.1f}"
