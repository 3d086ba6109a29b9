"""Writes README.md's tables of results from openpi/benchmarks/results: `tools/bazel run //tools:readme`."""

import json
import re
from collections.abc import Mapping
from typing import Any

from tools import tree

_RESULT = "openpi/benchmarks/results/aloha_reach.json"


def aloha_reach_table(result: Mapping[str, Any]) -> str:
    """Success of each policy within 3 cm and 2 cm, one column a training seed, and what the runs took."""
    conditions, rows = result["conditions"], result["rows"]
    by_tolerance = [{success["tolerance"]: success for success in row["success"]} for row in rows]
    seeds = len(by_tolerance[0][0.03]["rates"])
    lines = [
        f"Success over {conditions['episodes']} unseen episodes, replanning every {conditions['replan_steps']} steps,"
        f" for {seeds} training seeds ([all figures and conditions]({_RESULT})):",
        "",
        f"| policy | {' | '.join(f'seed {i + 1}, 3 cm' for i in range(seeds))} | median, 3 cm | median, 2 cm |",
        f"| --- |{' --- |' * (seeds + 2)}",
    ]
    for row, success in zip(rows, by_tolerance, strict=True):
        cells = [*success[0.03]["rates"], success[0.03]["median"], success[0.02]["median"]]
        lines.append(f"| {row['policy']} | " + " | ".join(f"{100 * rate:.0f} %" for rate in cells) + " |")
    minutes = " / ".join(f"{seconds / 60:.1f}" for seconds in result["job_seconds"])
    memory = max(result["peak_memory_mib"]) / 1024
    lines += ["", f"The whole job took {minutes} minutes and {memory:.1f} GiB at the most. {result['note']}"]
    return "\n".join(lines)


def render(readme: str, result: Mapping[str, Any]) -> str:
    """README's text with its table as the result says.

    Raises:
        ValueError: the README has no place for the table.
    """
    begin, end = "<!-- aloha-reach-table: tools/bazel run //tools:readme -->", "<!-- end -->"
    place = re.compile(f"({re.escape(begin)}\n).*?({re.escape(end)})", re.DOTALL)
    if not place.search(readme):
        raise ValueError(f"README.md has no lines {begin!r} and {end!r}")
    return place.sub(lambda match: f"{match[1]}{aloha_reach_table(result)}\n{match[2]}", readme)


def up_to_date() -> tuple[str, str]:
    """README.md as it is, and as it should be."""
    readme = (tree.root() / "README.md").read_text(encoding="utf-8")
    return readme, render(readme, json.loads((tree.root() / _RESULT).read_text(encoding="utf-8")))


def main() -> None:
    (tree.root() / "README.md").write_text(up_to_date()[1], encoding="utf-8")


if __name__ == "__main__":
    main()
