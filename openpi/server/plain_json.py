"""Values of any kind as JSON that a page can show: cut to a size, and never a number that JSON does not know."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

_MAX_TEXT = 500
_MAX_ITEMS = 64
_MAX_DEPTH = 6


def plain(value: Any, depth: int = 0) -> Any:
    """Returns `value` in dicts, lists, texts and numbers.

    Short arrays become lists, long ones a text (`float32[50, 14]`); NaN and infinities null. Texts, lists, dicts and depths
    end where they grow too large, with `...`.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (int, np.integer)):
        return int(value) if abs(int(value)) < 2**53 else str(value)
    if isinstance(value, (float, np.floating)):
        return round(float(value), 6) if math.isfinite(value) else None
    if isinstance(value, bytes):
        return _cut(value[: _MAX_TEXT + 1].decode(errors="replace"))
    if isinstance(value, np.ndarray):
        if value.ndim > 1 or value.size > _MAX_ITEMS or value.dtype.kind not in "biufUS":
            return f"{value.dtype}{list(value.shape)}"
        return plain(value.tolist(), depth)
    if isinstance(value, (Mapping, list, tuple)) and depth >= _MAX_DEPTH:
        return "..."
    if isinstance(value, Mapping):
        items = list(value.items())
        shown = {
            _cut(key.decode(errors="replace") if isinstance(key, bytes) else str(key)): plain(item, depth + 1)
            for key, item in items[:_MAX_ITEMS]
        }
        return shown if len(items) <= _MAX_ITEMS else {**shown, "...": len(items) - _MAX_ITEMS}
    if isinstance(value, (list, tuple)):
        shown_items = [plain(item, depth + 1) for item in value[:_MAX_ITEMS]]
        return shown_items if len(value) <= _MAX_ITEMS else [*shown_items, "..."]
    return _cut(str(value))


def curves(actions: Any, max_steps: int = 128, max_dims: int = 32) -> list[list[float | None]]:
    """Returns a chunk of actions [steps, dims] as a list of curves, one a dim; none if it is something else."""
    if not isinstance(actions, np.ndarray) or actions.ndim != 2 or actions.dtype.kind not in "iuf":
        return []
    return [[plain(value) for value in dim] for dim in actions[:max_steps, :max_dims].T]


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else text[:_MAX_TEXT] + "..."
