"""Writes the READMEs' tables of results from openpi/benchmarks/results: `tools/bazel run //tools:readme`."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from tools import tree

_RESULTS = "openpi/benchmarks/results"


class Table(NamedTuple):
    """A table of a README: the file, its name in the lines around it, the result and what is made of it."""

    readme: str
    name: str
    result: str
    make: Callable[[Mapping[str, Any]], str]


def aloha_reach_table(result: Mapping[str, Any]) -> str:
    """Success of each policy within 3 cm and 2 cm, one column a training seed, and what the runs took."""
    conditions, rows = result["conditions"], result["rows"]
    by_tolerance = [{success["tolerance"]: success for success in row["success"]} for row in rows]
    seeds = len(by_tolerance[0][0.03]["rates"])
    lines = [
        f"Success over {conditions['episodes']} unseen episodes, replanning every {conditions['replan_steps']} steps,"
        f" for {seeds} training seeds ([all figures and conditions]({_RESULTS}/aloha_reach.json)):",
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


def data_loading_table(result: Mapping[str, Any]) -> str:
    """Rows a second of each way to read images, and of the lerobot package."""
    count, height, width, _ = result["shapes"]["images"]
    size, steps = result["shapes"]["model_images"][1], result["shapes"]["actions"][0]
    lines = [
        f"Random rows of {count} cameras {height}x{width} and {steps} actions a second, made {size} pixels for the model, on"
        f" {result['machine']['cores']} cores ([all figures](../benchmarks/results/data_loading.json), medians):",
        "",
        "| `config.data.cache` | rows/s | times lerobot's own loader |",
        "| --- | --- | --- |",
    ]
    for row in result["rows"]:
        lines.append(f'| "{row["way"]}" | {row["rows_per_s"]["median"]:,.0f} | {row["times_lerobot"]:.1f} |')
    lerobot, built, training = result["lerobot"], result["built"], result["training"]
    lines += [
        f"| lerobot {lerobot['best']['versions']['lerobot']}, its best setting | {lerobot['rows_per_s']['median']:,.0f} | 1 |",
        "",
        f"Caches are built at {built['frames']['rows_per_s']:.0f} (frames) and {built['video']['rows_per_s']:.0f} (video) rows/s,"
        f" and take {1024 * built['frames']['mib'] / result['frames']:.0f} and"
        f" {1024 * built['video']['mib'] / result['frames']:.0f} KiB a row. Training a small network at"
        f" {training['steps_per_s']:.0f} steps/s waits {100 * training['data_wait']:.1f} % of the time.",
    ]
    return "\n".join(lines)


TABLES = (
    Table("README.md", "aloha-reach-table", "aloha_reach.json", aloha_reach_table),
    Table("openpi/data/README.md", "data-loading-table", "data_loading.json", data_loading_table),
)


def render(readme: str, table: Table, result: Mapping[str, Any]) -> str:
    """README's text with its table as the result says.

    Raises:
        ValueError: the README has no place for the table.
    """
    begin, end = f"<!-- {table.name}: tools/bazel run //tools:readme -->", "<!-- end -->"
    place = re.compile(f"({re.escape(begin)}\n).*?({re.escape(end)})", re.DOTALL)
    if not place.search(readme):
        raise ValueError(f"{table.readme} has no lines {begin!r} and {end!r}")
    return place.sub(lambda match: f"{match[1]}{table.make(result)}\n{match[2]}", readme)


def up_to_date(table: Table) -> tuple[str, str]:
    """The README as it is, and as it should be."""
    readme = (tree.root() / table.readme).read_text(encoding="utf-8")
    result = json.loads((tree.root() / _RESULTS / table.result).read_text(encoding="utf-8"))
    return readme, render(readme, table, result)


def main() -> None:
    for table in TABLES:
        (tree.root() / table.readme).write_text(up_to_date(table)[1], encoding="utf-8")


if __name__ == "__main__":
    main()
