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


def serving_table(result: Mapping[str, Any]) -> str:
    """What the policy server adds, carries and keeps."""
    one, many, batches, memory = (result[key] for key in ("one_client", "throughput", "batches", "memory"))
    lines = [
        f"On {result['machine']['cores']} cores, loopback, three 224x224 uint8 images an observation"
        " ([all figures and conditions](../benchmarks/results/serving.json)):",
        "",
        "| what | measured |",
        "| --- | --- |",
        f"| added to the model's time, one client, median | {one['overhead_ms']['median']:.2f} ms |",
        f"| the same, 99 of 100 | {one['overhead_ms']['p99']:.1f} ms |",
        f"| {many['clients']} clients, a policy that does nothing | {many['no-op']['median']:,.0f} requests/s,"
        f" {many['mib_per_s']:,.0f} MiB/s |",
        f"| of what the websocket library carries without looking at it | {100 * many['share_of_floor']:.0f} % |",
        f"| {batches['clients']} clients of the small model, batches as far as they gain (here"
        f" {batches['measured_size']}) | {batches['measured_ratio']:.2f} x"
        " one at a time |",
        f"| the same, batches of {batches['clients']} whether they gain or not | {batches['eight_ratio']:.2f} x |",
        f"| memory over {memory['requests']:,} requests | {100 * memory['growth']:+.1f} % |",
        f"| memory of {memory['flood_clients']} clients at full rate, growth in {memory['flood_seconds']:.0f} s |"
        f" {100 * memory['flood_growth']:+.1f} % |",
    ]
    return "\n".join([*lines, "", *([result["note"]] if result["note"] else [])]).rstrip()


def memory_plan_table(result: Mapping[str, Any]) -> str:
    """Planned memory of the published sizes, the published figures beside it, and how far plans of small ones were off."""
    lines = [
        "GiB on each device, planned on a CPU as for accelerators ([all figures](../benchmarks/results/memory_plan.json)); the largest"
        f" batch leaves {100 * (1 - result['usable']):.0f} % of the device unused:",
        "",
        "| training | batch, devices | state | gradients | activations | peak | largest batch | published |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in result["planned"]:
        state = sum(row[part] for part in ("trained", "frozen", "optimizer", "average"))
        settings = [f"{field}={row[field]}" for field in ("accumulation_steps", "fsdp_devices") if field in row]
        sizes = " | ".join(f"{size:.1f}" for size in (state, row["gradients"], row["activations"], row["peak"]))
        lines.append(
            f"| {' '.join(['`' + row['config'] + '`', *settings])} | {row['batch_size']}, {row['devices']} | {sizes} |"
            f" {row['largest_batch'] or 'none'} on {row['device_gib']} GiB | > {result['published_gb'][row['kind']]:g} GB |"
        )
    served = ", ".join(f"{size:.1f} (`{name}`)" for name, size in result["served"].items())
    off = [100 * (row["ratio"] - 1) for row in result["measured"]]
    lines += [
        "",
        f"Serving takes {served}; published: more than {result['published_gb']['inference']:g} GB. Beside what {len(off)} trainings of"
        f" smaller networks really took on a CPU, plans for it were {min(off):+.0f} to {max(off):+.0f} % off. No GPU has been measured:"
        " GPUs join more operations into one than the compiler that plans, and should need less activations.",
    ]
    return "\n".join(lines)


def aloha_tasks_table(result: Mapping[str, Any]) -> str:
    """Success of each kind of small model in each simulated task, trained on it alone and on all together."""
    rows = {(row["config"], row["task"]): row for row in result["rows"]}
    lines = [
        "Success in unseen episodes ([all figures and conditions](../benchmarks/results/aloha_tasks.json)), of models"
        " trained on the task alone, and of one trained on all three, which only the prompt tells apart:",
        "",
        "| task | π0 | π0.5 | π0-FAST | π0, all | π0.5, all | π0-FAST, all |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for task in ("reach", "pick", "transfer"):
        found = [
            rows.get((f"aloha_{data}{model}", task)) for data in (task, "tasks") for model in ("", "_pi05", "_fast")
        ]
        lines.append(f"| {task} | {' | '.join(_percent(row) for row in found)} |")
    return "\n".join([*lines, "", *([result["note"]] if result["note"] else [])]).rstrip()


def _percent(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return "not run"
    return f"{100 * len(row['succeeded']) / row['episodes']:.0f} % of {row['episodes']}"


TABLES = (
    Table("README.md", "aloha-reach-table", "aloha_reach.json", aloha_reach_table),
    Table("openpi/sims/README.md", "aloha-tasks-table", "aloha_tasks.json", aloha_tasks_table),
    Table("openpi/data/README.md", "data-loading-table", "data_loading.json", data_loading_table),
    Table("openpi/trainer/README.md", "memory-plan-table", "memory_plan.json", memory_plan_table),
    Table("openpi/server/README.md", "serving-table", "serving.json", serving_table),
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
