"""What the loop knows beside the training state: a checkpoint keeps it, so that a resumed run logs and judges alike.

{"version": 1, "pending": [{"loss": 0.7, "grad_norm": 1.2}], "recent": [[6, 0.7, 1.2]], "skips": 0}
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

_VERSION = 1


@dataclasses.dataclass(frozen=True)
class Memory:
    """At the end of a step.

    Attributes:
      pending: metrics of the steps since the last log.
      recent: (step, loss, grad_norm) of good steps, as `divergence.Detector` keeps them.
      skips: skipped steps one after the other, up to this one.
    """

    pending: Sequence[Mapping[str, float]] = ()
    recent: Sequence[tuple[int, float, float]] = ()
    skips: int = 0


NOTHING = Memory()


def dumps(memory: Memory) -> bytes:
    """As JSON; numbers that are not finite are written as Python does."""
    return json.dumps({"version": _VERSION, **dataclasses.asdict(memory)}).encode()


def loads(text: bytes | None) -> Memory:
    """The inverse; of None (a checkpoint from before there was one) an empty memory.

    Raises:
      ValueError: it is something else.
    """
    if text is None:
        return Memory()
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ValueError(f"the checkpoint's state of the loop is no JSON ({error}): it is damaged") from error
    if not isinstance(value, dict) or value.get("version") != _VERSION:
        raise ValueError(
            f"the checkpoint's state of the loop is not of version {_VERSION}: it is damaged, or go on with the openpi that wrote it"
        )
    pending, recent, skips = (value.get(field.name) for field in dataclasses.fields(Memory))
    if not (
        _list_of(pending, lambda entry: isinstance(entry, dict) and all(map(_is_number, entry.values())))
        and _list_of(recent, lambda entry: isinstance(entry, list) and len(entry) == 3 and all(map(_is_number, entry)))
        and isinstance(skips, int)
    ):
        raise ValueError("the checkpoint's state of the loop does not hold pending, recent and skips: it is damaged")
    return Memory(pending, [(int(step), loss, norm) for step, loss, norm in recent], skips)


def _list_of(value: Any, is_entry) -> bool:
    return isinstance(value, list) and all(map(is_entry, value))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
