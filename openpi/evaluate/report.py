"""Results as a table for people and as JSON for machines."""

import dataclasses
import importlib.metadata
import json
import math
import pathlib
import platform
from collections.abc import Sequence
from typing import Any

import numpy as np

from openpi.evaluate import rollout, wilson

TOLERANCES = (0.02, 0.03)  # metres
_PACKAGES = ("jax", "jaxlib", "flax", "numpy", "mujoco", "gym-aloha", "dm-control", "websockets")


@dataclasses.dataclass(frozen=True)
class Row:
    """The episodes of one policy."""

    policy: str
    episodes: Sequence[rollout.Episode]

    def successes(self, tolerance: float) -> int:
        return sum(episode.success(tolerance) for episode in self.episodes)

    @property
    def distances(self) -> list[float]:
        """Final distances in metres, of the episodes whose physics did not break."""
        return [episode.distance for episode in self.episodes if math.isfinite(episode.distance)]


def table(rows: Sequence[Row]) -> str:
    """Returns the results as lines of text, one a policy."""
    head = ["policy", *(f"within {100 * tolerance:g} cm" for tolerance in TOLERANCES), "final distance", "steps"]
    lines = [head, *([row.policy, *(_rate(row, t) for t in TOLERANCES), _distance(row), _steps(row)] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def to_json(rows: Sequence[Row], *, command: Sequence[str], conditions: dict[str, Any]) -> dict[str, Any]:
    """Returns everything that was measured, and under which conditions. Distances in metres; null: the physics broke."""
    return {
        "task": "aloha_reach",
        "command": list(command),
        "conditions": conditions,
        "versions": _versions(),
        "rows": [
            {
                "policy": row.policy,
                "success": [_interval(row, tolerance) for tolerance in TOLERANCES],
                "mean_distance": float(np.mean(row.distances)) if row.distances else None,
                "median_distance": float(np.median(row.distances)) if row.distances else None,
                "broken_episodes": len(row.episodes) - len(row.distances),
                "episodes": [
                    {
                        "episode": episode.index,
                        "distance": episode.distance if math.isfinite(episode.distance) else None,
                        "complete": episode.complete,
                        "steps": episode.steps,
                    }
                    for episode in row.episodes
                ],
            }
            for row in rows
        ],
    }


def write_json(path: pathlib.Path, content: dict[str, Any]) -> None:
    """Writes `content` whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    partial.replace(path)


def _interval(row: Row, tolerance: float) -> dict[str, float | int]:
    successes, trials = row.successes(tolerance), len(row.episodes)
    low, high = wilson.interval(successes, trials)
    rate = successes / trials
    return {
        "tolerance": tolerance,
        "successes": successes,
        "trials": trials,
        "rate": rate,
        "low95": low,
        "high95": high,
    }


def _rate(row: Row, tolerance: float) -> str:
    found = _interval(row, tolerance)
    return f"{100 * found['rate']:.0f} % ({100 * found['low95']:.0f}-{100 * found['high95']:.0f})"


def _distance(row: Row) -> str:
    broken = len(row.episodes) - len(row.distances)
    text = f"{100 * np.mean(row.distances):.1f} cm" if row.distances else "-"
    return f"{text}, {broken} broken" if broken else text


def _steps(row: Row) -> str:
    return f"{np.mean([episode.steps for episode in row.episodes]):.1f}"


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions
