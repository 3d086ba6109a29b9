"""What came of one episode, whoever played it: a small JSON object."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

_LONGEST_NAME = 1000
_MOST = 1 << 53  # JSON readers elsewhere know whole numbers up to here


@dataclasses.dataclass(frozen=True, kw_only=True)
class Episode:
    """What came of one episode.

    Attributes:
      policy: what acted, in the words of tables.
      task: what it was to do.
      episode: its number in the task's sequence: with the seed, it names the start.
      success: whether the task was done.
      steps: policy steps made.
      seconds: how long it took, by the clock.
      complete: whether it ran to its end; only then can it be a success.
      distance: what is left to the goal, metres; None if the task measures none, or the physics broke.
    """

    policy: str
    task: str
    episode: int
    success: bool
    steps: int
    seconds: float
    complete: bool = True
    distance: float | None = None

    @property
    def key(self) -> tuple[str, str, int]:
        """What no two episodes of an evaluation share."""
        return self.policy, self.task, self.episode

    def within(self, tolerance: float) -> bool:
        """Whether it ended within `tolerance` metres of its goal."""
        return self.complete and self.distance is not None and self.distance <= tolerance


def to_json(episode: Episode) -> dict[str, Any]:
    """All of it, for JSON."""
    return dataclasses.asdict(episode)


def from_json(content: Any) -> Episode:
    """Reads one from a file, and takes nothing on trust; entries that are not known are left out.

    Raises:
      ValueError: an entry is missing, or is not what it should be.
    """
    if not isinstance(content, Mapping):
        raise ValueError(f"an episode must be an object, and is {content!r:.80}")
    distance = content.get("distance")
    return Episode(
        policy=_name(content, "policy"),
        task=_name(content, "task"),
        episode=_count(content, "episode"),
        success=_truth(content, "success"),
        steps=_count(content, "steps"),
        seconds=_number(content, "seconds"),
        complete=_truth({"complete": True, **content}, "complete"),
        distance=None if distance is None else _number(content, "distance"),
    )


def _name(content: Mapping[str, Any], field: str) -> str:
    value = content.get(field)
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_NAME or not value.isprintable():
        raise ValueError(f"{field} of an episode must be a name, and is {value!r:.80}")
    return value


def _count(content: Mapping[str, Any], field: str) -> int:
    value = content.get(field)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _MOST:
        raise ValueError(f"{field} of an episode must be a whole number, 0 or more, and is {value!r:.80}")
    return value


def _truth(content: Mapping[str, Any], field: str) -> bool:
    value = content.get(field)
    if not isinstance(value, bool):
        raise ValueError(f"{field} of an episode must be true or false, and is {value!r:.80}")
    return value


def _number(content: Mapping[str, Any], field: str) -> float:
    value = content.get(field)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise ValueError(f"{field} of an episode must be a number, 0 or more, and is {value!r:.80}")
    return float(value)
