"""Reads plain data (JSON, msgpack, a configuration) field by field. Each function raises ValueError, in one line that begins with
`where`, the place of the value."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def check_fields(values: Any, fields: Sequence[str], where: str) -> None:
    """Raises ValueError unless `values` is a dict of exactly these fields."""
    if not isinstance(values, Mapping):
        raise ValueError(f"{where}={values!r:.80} must be a dict of {', '.join(fields)}")
    if unknown := [str(key) for key in values if key not in fields]:
        raise ValueError(f"{where} has an unknown field {unknown[0]!r}; there are: {', '.join(fields)}")
    if missing := [field for field in fields if field not in values]:
        raise ValueError(f"{where} lacks the field {missing[0]!r}; it needs: {', '.join(fields)}")


def check_unique(names: Iterable[str], where: str) -> None:
    """Raises ValueError if a name appears twice."""
    seen = set()
    for name in names:
        if name in seen:
            raise ValueError(f"{where} {name!r} appears twice; each must be another")
        seen.add(name)


def entries(values: Any, where: str) -> list[tuple[str, Any]]:
    """Each entry of a sequence with its place, for errors."""
    if isinstance(values, (str, bytes)) or not isinstance(values, Sequence):
        raise ValueError(f"{where}={values!r:.80} must be a list")
    return [(f"{where}[{index}]", value) for index, value in enumerate(values)]


def texts(values: Any, where: str) -> tuple[str, ...]:
    """A sequence of texts that are not empty."""
    return tuple(text(value, at) for at, value in entries(values, where))


def text(value: Any, where: str, *, empty: bool = False) -> str:
    """A text; `empty` allows that with no letters."""
    if not isinstance(value, str) or not (value or empty):
        raise ValueError(f"{where}={value!r:.80} must be a {'' if empty else 'non-empty '}text")
    return value


def choice(value: Any, choices: Sequence[str], where: str) -> str:
    """One of `choices`."""
    if value not in choices:
        raise ValueError(f"{where}={value!r:.80} is unknown; it is one of: {', '.join(choices)}")
    return value


def flag(value: Any, where: str) -> bool:
    """True or False."""
    if not isinstance(value, bool):
        raise ValueError(f"{where}={value!r:.80} must be True or False")
    return value


def numbers(value: Any, count: int, where: str) -> tuple[float, ...]:
    """`count` finite numbers; a single one may stand without a list."""
    values = value if isinstance(value, (list, tuple)) else (value,) * (count == 1)
    found = [number for _, number in entries(values, where)]
    if len(found) != count or not all(type(number) in (int, float) and math.isfinite(number) for number in found):
        raise ValueError(f"{where}={value!r:.80} must be {count} finite number{'s' if count > 1 else ''}")
    return tuple(float(number) for number in found)
