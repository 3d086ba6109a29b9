"""Measures how long a LeRobot dataset of many episodes takes to open, and how fast its tables are read.

    bazel run //openpi/benchmarks:open_dataset -- --json=PATH

Records the same episodes (no images: tables are what opening reads) in the formats v2.1, a file an episode, and v3.0, and
opens and reads each in turn, every time in a fresh process. The operating system has the files in memory by then; beside
each figure stands its floor, reading the files' bytes and copying as many bytes. The exit code is 1 when opening takes
more than 3 s (median) or fewer than 30,000 frames a second are read one by one.
"""

import pathlib
import tempfile
from typing import Any

from absl import flags

from openpi.benchmarks import fresh_process, record, table_reading
from openpi.cli import program

_RECORD = record.Record("open_dataset", ("numpy", "pyarrow"))
_ROUNDS = flags.DEFINE_integer("rounds", 5, "Openings of each format.", lower_bound=1)
_EPISODES = flags.DEFINE_integer("episodes", 10_000, "Episodes of the dataset.", lower_bound=1)
_FRAMES = flags.DEFINE_integer("frames", 100, "Frames of each.", lower_bound=1)

_FORMATS = ("v2.1", "v3.0")
_ITEMS = 50_000
_OPEN_S, _ITEMS_PER_S = 3.0, 30_000  # targets


def main(_: list[str]) -> int:
    """Generates, measures, prints and writes."""
    runs: dict[str, list[dict[str, Any]]] = {version: [] for version in _FORMATS}
    with tempfile.TemporaryDirectory() as folder:
        for version in _FORMATS:
            table_reading.write(pathlib.Path(folder) / version, version, _EPISODES.value, _FRAMES.value)
        for _round in range(_ROUNDS.value):
            for version in _FORMATS:
                runs[version].append(fresh_process.call(table_reading.measure, pathlib.Path(folder) / version, _ITEMS))
    if len({run.pop("checksum") for found in runs.values() for run in found}) != 1:
        raise RuntimeError("the two formats gave different action chunks")
    result = _result(runs)
    print(_table(result))
    _RECORD.write(result)
    return 0 if result["targets"]["met"] else 1


def _result(runs: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    rows: list[dict[str, Any]] = [
        {"format": version} | {figure: record.spread([run[figure] for run in found]) for figure in found[0]}
        for version, found in runs.items()
    ]
    met = all(row["open_s"]["median"] <= _OPEN_S and row["items_per_s"]["median"] >= _ITEMS_PER_S for row in rows)
    return {
        "episodes": _EPISODES.value,
        "frames": _EPISODES.value * _FRAMES.value,
        "shapes": {"observation.state": [table_reading.WIDTH], "action": [table_reading.HORIZON, table_reading.WIDTH]},
        "dtype": "float32",
        "targets": {"open_s_at_most": _OPEN_S, "items_per_s_at_least": _ITEMS_PER_S, "met": met},
        "rows": rows,
    }


def _table(result: dict[str, Any]) -> str:
    lines = [
        f"{result['episodes']:,} episodes, {result['frames']:,} frames (medians; in brackets the floor):",
        f"{'format':8}{'open (CPU; reading the bytes)':>34}{'peak':>11}{'one by one':>16}{'all in blocks (copying)':>27}",
    ]
    for row in result["rows"]:
        figure = {name: values["median"] for name, values in row.items() if name != "format"}
        lines.append(
            f"{row['format']:8}{figure['open_s']:16.2f} s ({figure['open_cpu_s']:.2f} s; {figure['read_files_s']:.2f} s){figure['peak_mib']:7.0f} MiB"
            f"{figure['items_per_s']:14,.0f}/s{figure['tables_s']:17.2f} s ({figure['copy_s']:.2f} s)"
        )
    verdict = "met" if result["targets"]["met"] else "MISSED"
    return "\n".join([*lines, f"targets: open in {_OPEN_S:g} s, {_ITEMS_PER_S:,} frames/s one by one: {verdict}"])


if __name__ == "__main__":
    program.run(main)
