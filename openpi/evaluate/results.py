"""Reads results: files of //openpi/evaluate, and those of programs elsewhere that tell their episodes.

    {"conditions": {"seed": 7}, "episodes": [{"policy": "pi05", "task": "pick up the bowl", "episode": 0, "success": true,
                                              "steps": 101, "seconds": 12.5}]}

is enough; `conditions` may be left out, and `policy` stand once beside `episodes`.
"""

import dataclasses
import json
import pathlib
from collections.abc import Sequence
from typing import Any

from openpi.evaluate import episode as episode_lib

_MOST_BYTES = 256 * 2**20


@dataclasses.dataclass(frozen=True, kw_only=True)
class Results:
    """What a file tells.

    Attributes:
      source: the file.
      conditions: under which the episodes were played.
      episodes: in the file's order.
    """

    source: str
    conditions: dict[str, Any]
    episodes: Sequence[episode_lib.Episode]

    @property
    def policies(self) -> list[str]:
        """Who played, in the file's order."""
        return list(dict.fromkeys(episode.policy for episode in self.episodes))

    def of(self, policy: str | None) -> dict[tuple[str, int], episode_lib.Episode]:
        """The episodes of a policy, None for the file's first, by task and number.

        Raises:
          ValueError: there is no such policy, or it has two episodes of a number.
        """
        name = self.policies[0] if policy is None else policy
        if name not in self.policies:
            raise ValueError(f"{self.source} has no policy {name!r}; it has: {', '.join(self.policies)}")
        found: dict[tuple[str, int], episode_lib.Episode] = {}
        for episode in self.episodes:
            if episode.policy == name and found.setdefault((episode.task, episode.episode), episode) is not episode:
                raise ValueError(f"{self.source} has episode {episode.episode} of {episode.task!r} twice for {name!r}")
        return found


def read(path: str | pathlib.Path) -> Results:
    """Reads a file.

    Raises:
      OSError: it cannot be read.
      ValueError: it tells no episodes, or one of them is not what it should be.
    """
    path = pathlib.Path(path)
    if (size := path.stat().st_size) > _MOST_BYTES:
        raise ValueError(f"{path} has {size} bytes, too many for results; give a file of //openpi/evaluate")
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        raise ValueError(f"{path} is no JSON; give a file of //openpi/evaluate") from None
    try:
        episodes = [episode_lib.from_json(each) for each in _flat(content)]
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    conditions = content.get("conditions")
    return Results(source=str(path), conditions=conditions if isinstance(conditions, dict) else {}, episodes=episodes)


def _flat(content: Any) -> list[dict[str, Any]]:
    """All objects that may be episodes, with the policy and the task that stand beside their list."""
    rows = content.get("rows", [content]) if isinstance(content, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError("it has neither rows nor episodes; give a file of //openpi/evaluate")
    found = []
    for row in rows:
        beside = {field: row[field] for field in ("policy", "task") if field in row}
        episodes = row.get("episodes")
        if not isinstance(episodes, list) or not all(isinstance(each, dict) for each in episodes):
            raise ValueError("a row of it has no list of episodes; give a file of //openpi/evaluate")
        found += [beside | each for each in episodes]
    if not found:
        raise ValueError("it has no episodes; give a file of //openpi/evaluate")
    return found
