"""What came of the benchmark's episodes: a file that grows episode by episode, and a table.

The file is one that //openpi/evaluate reads: rows of a task's episodes, and under which conditions they were played.
"""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

_MOST_BYTES = 1 << 28


class Results:
    """Episodes by suite, task and trial. What is in the file already need not be played again."""

    def __init__(
        self, path: str | os.PathLike[str], *, policy: str, conditions: Mapping[str, Any], overwrite: bool = False
    ) -> None:
        """Begins a file, or reads the one that is there.

        Args:
          path: the file.
          policy: who acts.
          conditions: what may not differ among the episodes of a file; ready for JSON.
          overwrite: begin anew, whatever is there.

        Raises:
          ValueError: the file is of other conditions, or none of this program.
        """
        self._path, self._policy = pathlib.Path(path), policy
        self._conditions = json.loads(json.dumps(dict(conditions)))
        self._rows: dict[tuple[str, int], dict[str, Any]] = {}
        if self._path.exists() and not overwrite:
            self._read()

    def has(self, suite: str, task: int, trial: int) -> bool:
        """Whether this episode was played."""
        return any(each["episode"] == trial for each in self._rows.get((suite, task), {}).get("episodes", ()))

    def add(self, suite: str, task: int, instruction: str, **episode: Any) -> None:
        """Keeps an episode (`episode`: its trial, `success`, `steps`, `seconds`, `complete`): writes the file anew.

        Raises:
          OSError: the disk takes no more; the file is as it was.
        """
        row = self._rows.setdefault(
            (suite, task),
            {"policy": self._policy, "task": f"{suite}: {instruction}", "suite": suite, "number": task, "episodes": []},
        )
        row["episodes"].append(episode)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        partial = self._path.with_name(f".{self._path.name}.partial")
        rows = [self._rows[key] for key in sorted(self._rows)]
        content = {"conditions": self._conditions, "suites": self._suites(), "rows": rows}
        partial.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        partial.replace(self._path)

    def table(self) -> str:
        """Successes of each task and suite, and the suites' mean rate, as lines."""
        lines = []
        for suite, counts in self._suites().items():
            for key in sorted(self._rows):
                if key[0] == suite:
                    row = self._rows[key]
                    lines.append((f"  {row['task'][len(suite) + 2 :]}", *_count(row["episodes"])))
            lines.append((suite, counts["successes"], counts["trials"]))
        width = max((len(name) for name, _, _ in lines), default=0)
        rates = [counts["rate"] for counts in self._suites().values()]
        told = [
            f"{name:<{width}}  {done:>5} of {trials:>5}  {100 * done / trials:5.1f} %" for name, done, trials in lines
        ]
        return "\n".join([*told, f"mean of {len(rates)} suites: {100 * sum(rates) / max(1, len(rates)):.1f} %"])

    def _suites(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for suite in sorted({suite for suite, _ in self._rows}):
            done, trials = _count(
                [each for key in self._rows if key[0] == suite for each in self._rows[key]["episodes"]]
            )
            found[suite] = {"successes": done, "trials": trials, "rate": done / trials}
        return found

    def _read(self) -> None:
        try:
            if self._path.stat().st_size > _MOST_BYTES:
                raise ValueError("too large")
            content = json.loads(self._path.read_bytes())
            before, rows = dict(content["conditions"]), content["rows"]
            self._rows = {(row["suite"], row["number"]): _checked(row) for row in rows}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise ValueError(
                f"{self._path} holds no results of LIBERO: choose another --output_dir, or --overwrite"
            ) from None
        for name in sorted({*before, *self._conditions}):
            if before.get(name) != self._conditions.get(name):
                raise ValueError(
                    f"{self._path} holds episodes with {name}={before.get(name)!r}, and now it is "
                    f"{self._conditions.get(name)!r}: set it back, choose another --output_dir, or --overwrite"
                )


def _checked(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of a file; ValueError if something of it is none."""
    kinds = {"episode": int, "success": bool, "steps": int, "seconds": float, "complete": bool}
    texts = all(isinstance(row[name], str) for name in ("policy", "task", "suite"))
    if not texts or type(row["number"]) is not int or not row["task"].startswith(f"{row['suite']}: "):
        raise ValueError("a row")
    for episode in row["episodes"]:
        if any(type(episode[name]) is not kind for name, kind in kinds.items()):
            raise ValueError("an episode")
    return dict(row)


def _count(episodes: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """(successes, trials)."""
    return sum(each["success"] for each in episodes), len(episodes)
