"""Where training stands in its data, as a checkpoint keeps it: the number of the next batch, and what the order follows from.

    {"version": 1, "next_batch": 1200, "order": {"seed": 42, "batch_size": 32, "shuffle": true,
     "datasets": [{"frames": 480000, "fingerprint": "0f3a...", "weight": 1.0}]}}

The number is that of the batch of all processes together, so that their number may change in between.
"""

from collections.abc import Mapping
from typing import Any

_VERSION = 1


def save(next_batch: int, order: Mapping[str, Any]) -> dict[str, Any]:
    """The position as JSON can hold it."""
    return {"version": _VERSION, "next_batch": next_batch, "order": dict(order)}


def load(state: Any, order: Mapping[str, Any]) -> int:
    """The number of the next batch.

    Args:
      state: from `save`, or of a checkpoint from before there was an order in it.
      order: what the present order follows from.

    Raises:
      ValueError: `state` is no position; or it is of another order: going on would repeat and skip samples.
    """
    if not isinstance(state, Mapping):
        raise ValueError(f"the checkpoint's position in the data is {state!r:.80}, and no object: it is damaged")
    if "version" not in state:
        return _count(state, "next_index")
    if state["version"] != _VERSION:
        raise ValueError(
            f"the checkpoint's position in the data is of version {state['version']!r}, and this openpi knows {_VERSION}: go on "
            "with the version that wrote it"
        )
    recorded = state.get("order")
    if not isinstance(recorded, Mapping):
        raise ValueError("the checkpoint's position in the data does not tell its order: it is damaged")
    for name, now in order.items():
        before = recorded.get(name)
        if before != now:
            raise ValueError(
                f"the checkpoint's run had {_describe(name, before, now)}: going on would repeat some samples and skip others; "
                "set it back, or start a new run from this one's weights (--config.exp_name=NEW "
                "--config.weights.kind=checkpoint --config.weights.path=CHECKPOINT)"
            )
    return _count(state, "next_batch")


def _count(state: Mapping[str, Any], key: str) -> int:
    value = state.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 62:
        raise ValueError(
            f"the checkpoint's position in the data has {key}={value!r}, and needs a whole number: it is damaged"
        )
    return value


def _describe(name: str, before: Any, now: Any) -> str:
    if name != "datasets":
        return f"config.{name}={before!r}, and now it is {now!r}"
    before = before if isinstance(before, list) else []
    if len(before) != len(now):
        return f"{len(before)} datasets, and now there are {len(now)}"
    number, was, is_ = next((i, a, b) for i, (a, b) in enumerate(zip(before, now, strict=True)) if a != b)
    which = "the dataset" if len(now) == 1 else f"dataset {number} of the mixture"
    fields = [key for key in is_ if not isinstance(was, Mapping) or was.get(key) != is_[key]]
    changes = (
        ", ".join(f"{key} {was.get(key)} then and {is_[key]} now" for key in fields)
        if isinstance(was, Mapping)
        else was
    )
    return f"other data: {which} has changed ({changes})"
