"""Two policies that were given the same episodes, side by side."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from openpi.evaluate import columns, episode, paired, results

# What the starts follow from: episodes of one number are pairs only where these are the same.
_SAME = ("split", "seed", "policy_hz")
_ALL = "all"

# For people.
NAMES = (("A", "first"), ("B", "second"))
HEAD = ("task", "episodes", "A", "B", "A - B", "only A", "only B", "p")
LEGEND = "A - B in points, with the 95 % interval (Newcombe); p: McNemar's exact test of the episodes that only one of them did"


def between(
    first: results.Results,
    second: results.Results,
    *,
    first_policy: str | None = None,
    second_policy: str | None = None,
) -> dict[str, Any]:
    """Compares a policy of each, ready for JSON: a row a task, and one of all tasks if there are several.

    Args:
      first: whose rate counts as better if the difference is above 0.
      second: the other.
      first_policy: which of `first`; None for the first there.
      second_policy: which of `second`.

    Raises:
      ValueError: they have no episodes in common, or their starts differ.
    """
    check_starts(first, second)
    a, b = first.of(first_policy), second.of(second_policy)
    common = [key for key in a if key in b]
    if not common:
        raise ValueError(f"{first.source} and {second.source} have no episode in common; evaluate the same tasks")
    tasks = list(dict.fromkeys(task for task, _ in common))
    rows = [_row(task, [(a[key], b[key]) for key in common if key[0] == task]) for task in tasks]
    if len(tasks) > 1:
        rows.append(_row(_ALL, [(a[key], b[key]) for key in common]))
    return {
        "first": {"policy": next(iter(a.values())).policy, "source": first.source},
        "second": {"policy": next(iter(b.values())).policy, "source": second.source},
        "left_out": len(a) + len(b) - 2 * len(common),
        "rows": rows,
    }


def check_starts(first: results.Results, second: results.Results) -> None:
    """Raises ValueError if episodes of one number do not start the same in both."""
    for name in _SAME:
        one, other = first.conditions.get(name), second.conditions.get(name)
        if one != other:
            raise ValueError(
                f"{first.source} and {second.source} differ in {name}, {one!r} and {other!r}: episodes of one number have other "
                "starts there; evaluate both with the same"
            )


def table(compared: Mapping[str, Any]) -> str:
    """A comparison as lines of text."""
    lines = columns.align([HEAD, *(cells(row) for row in compared["rows"])])
    names = [f"{letter} = {compared[which]['policy']} ({compared[which]['source']})" for letter, which in NAMES]
    left_out = f"{compared['left_out']} episodes that only one of them has are left out"
    return "\n".join([*names, lines, LEGEND, *([left_out] if compared["left_out"] else [])])


def cells(row: Mapping[str, Any]) -> list[str]:
    """A row for people: task, episodes, both rates, difference with interval, who did alone how many, p."""
    points = f"{100 * row['difference']:+.0f} ({100 * row['low95']:+.0f} to {100 * row['high95']:+.0f})"
    rates = [f"{100 * rate:.0f} %" for rate in row["rates"]]
    return [row["task"], str(row["pairs"]), *rates, points, str(row["first"]), str(row["second"]), f"{row['p']:.3g}"]


def _row(task: str, both: Sequence[tuple[episode.Episode, episode.Episode]]) -> dict[str, Any]:
    pairs = paired.count((one.success, other.success) for one, other in both)
    low, high = paired.interval(pairs)
    return {
        "task": task,
        "pairs": pairs.count,
        **dataclasses.asdict(pairs),
        "rates": list(pairs.rates),
        "difference": pairs.difference,
        "low95": low,
        "high95": high,
        "p": paired.p_value(pairs),
    }
