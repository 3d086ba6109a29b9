"""Several training seeds of one recipe, each evaluated by //openpi/evaluate, as one result with its targets."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

# What the default's recipe has to reach (rates within 3 cm).
MEDIAN_AT_LEAST = 0.80
WORST_AT_LEAST = 0.60
BASELINES_BELOW = 0.15

# Conditions that must be the same for the seeds to be comparable.
_SAME = (
    "config",
    "split",
    "seed",
    "episodes",
    "episode_steps",
    "policy_hz",
    "replan_steps",
)


def combine(evaluations: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Joins the results.json of one `evaluate --baselines` run for each training seed.

    Returns:
        Per policy and tolerance: the rate of each seed, their median and minimum; and whether the targets are met.

    Raises:
        ValueError: there is nothing to join, the runs had different conditions or policies.
    """
    if not evaluations:
        raise ValueError("no evaluation to combine: give --evaluation=FILE once for each training seed")
    conditions = {name: evaluations[0]["conditions"][name] for name in _SAME}
    for evaluation in evaluations[1:]:
        for name, value in conditions.items():
            if evaluation["conditions"][name] != value:
                raise ValueError(f"evaluations differ in {name}: {value!r} and {evaluation['conditions'][name]!r}")
    names = ["trained", *(row["policy"] for row in evaluations[0]["rows"][1:])]
    rows = [_row(name, [_pick(evaluation, i, name) for evaluation in evaluations]) for i, name in enumerate(names)]
    return {
        "task": evaluations[0]["task"],
        "conditions": conditions,
        "versions": evaluations[0]["versions"],
        "targets": {
            "tolerance": 0.03,
            "median_at_least": MEDIAN_AT_LEAST,
            "worst_at_least": WORST_AT_LEAST,
            "baselines_below": BASELINES_BELOW,
            "met": meets_targets(rows),
        },
        "rows": rows,
        # Without the path that the program had on somebody's machine.
        "commands": [["//openpi/evaluate", *evaluation["command"][1:]] for evaluation in evaluations],
    }


def meets_targets(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the first row (the trained policy) is good enough and every other is bad enough, within 3 cm."""
    trained, *baselines = (next(s for s in row["success"] if s["tolerance"] == 0.03) for row in rows)
    return (
        trained["median"] >= MEDIAN_AT_LEAST
        and trained["minimum"] >= WORST_AT_LEAST
        and all(max(baseline["rates"]) < BASELINES_BELOW for baseline in baselines)
    )


def table(result: Mapping[str, Any]) -> str:
    """The rates as lines of text."""
    lines = []
    for row in result["rows"]:
        cells = [
            f"within {100 * s['tolerance']:g} cm: median {100 * s['median']:.0f} % of "
            + ", ".join(f"{100 * rate:.0f}" for rate in s["rates"])
            for s in row["success"]
        ]
        lines.append(f"{row['policy']:20}" + "; ".join(cells))
    return "\n".join([*lines, "targets met" if result["targets"]["met"] else "TARGETS MISSED"])


def _pick(evaluation: Mapping[str, Any], index: int, name: str) -> Mapping[str, Any]:
    rows = evaluation["rows"]
    if index >= len(rows) or (index > 0 and rows[index]["policy"] != name):
        raise ValueError(f"an evaluation lacks the row {name!r}; run all of them with --baselines")
    return rows[index]


def _row(name: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    success = []
    for i, first in enumerate(rows[0]["success"]):
        rates = [row["success"][i]["rate"] for row in rows]
        success.append(
            {
                "tolerance": first["tolerance"],
                "trials": first["trials"],
                "rates": rates,
                "median": statistics.median(rates),
                "minimum": min(rates),
            }
        )
    return {
        "policy": name,
        "success": success,
        "median_distances": [row["median_distance"] for row in rows],
    }
