"""Measures the memory that loading a checkpoint for inference takes.

    bazel run //openpi/benchmarks:checkpoint_memory -- --json=PATH

Generates float32 checkpoints of 4.1 GiB, one stored in pieces as training here stores it and one with each array in one
piece, and restores them as bfloat16 onto the device, each time in a fresh process: by openpi's `restore`, and as the
published code does, by Orbax alone, in turn. Both must give the same weights. The exit code is 1 when openpi takes more
than

    device   1.15 x the bfloat16 size
    host     the largest single array (as stored) and 1.3 GiB

On the CPU both are the process's resident memory, and the limit is the sum of the two.
"""

import math
import pathlib
import shutil
import tempfile
from typing import Any

from absl import flags

from openpi.benchmarks import fresh_process, record, restore_memory
from openpi.config import app

_RECORD = record.Record("checkpoint_memory", ("jax", "jaxlib", "orbax-checkpoint", "tensorstore", "numpy"))
_ROUNDS = flags.DEFINE_integer("rounds", 5, "Restores of each checkpoint, each way.", lower_bound=1)

_CHECKPOINTS = {"in pieces of 64 MiB": 64 << 20, "each array in one piece": None}
_FIGURES = ("peak_gib", "left_gib", "device_peak_gib", "seconds")


def main() -> int:
    """Generates, measures, prints and writes."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        step_dir = pathlib.Path(folder) / "1"
        for name, chunk_bytes in _CHECKPOINTS.items():
            fresh_process.call(restore_memory.write, step_dir, chunk_bytes)
            rows += _measure(name, step_dir)
            shutil.rmtree(step_dir)
    result = _result(rows)
    print(_table(result))
    _RECORD.write(result)
    return 0 if result["targets"]["met"] else 1


def _measure(name: str, step_dir: pathlib.Path) -> list[dict[str, Any]]:
    runs: dict[str, list[dict[str, Any]]] = {way: [] for way in restore_memory.WAYS}
    for _ in range(_ROUNDS.value):
        for way in restore_memory.WAYS:
            runs[way].append(fresh_process.call(restore_memory.measure, step_dir, way))
    if len({run["checksum"] for found in runs.values() for run in found}) != 1:
        raise RuntimeError(f"the ways restored different weights from the checkpoint that is stored {name}")
    return [
        {"checkpoint": name, "way": way}
        | {figure: record.spread([run[figure] for run in found]) for figure in _FIGURES if found[0][figure] is not None}
        for way, found in runs.items()
    ]


def _result(rows: list[dict[str, Any]]) -> dict[str, Any]:
    sizes = [math.prod(shape) for shape in restore_memory.SHAPES.values()]
    bfloat16, largest = 2 * sum(sizes) / restore_memory.GIB, 4 * max(sizes) / restore_memory.GIB
    device, host = 1.15 * bfloat16, largest + 1.3
    on_device = "device_peak_gib" in rows[0]
    ours = [row for row in rows if row["way"] == "openpi"]
    return {
        "shapes": {path: list(shape) for path, shape in restore_memory.SHAPES.items()},
        "stored_as": "float32",
        "restored_as": "bfloat16",
        "bfloat16_gib": bfloat16,
        "largest_array_gib": largest,
        "targets": {
            "device_peak_gib_at_most": device if on_device else None,
            "peak_gib_at_most": host if on_device else device + host,
            "met": all(
                row["peak_gib"]["max"] <= (host if on_device else device + host)
                and (not on_device or row["device_peak_gib"]["max"] <= device)
                for row in ours
            ),
        },
        "rows": rows,
    }


def _table(result: dict[str, Any]) -> str:
    targets = result["targets"]
    lines = [
        f"{result['bfloat16_gib']:.2f} GiB in bfloat16, stored as float32; the largest array has "
        f"{result['largest_array_gib']:.2f} GiB. Memory beyond the start, at most (GiB):",
        f"{'stored':26}{'way':10}{'peak':>8}{'after':>8}{'device':>8}{'seconds (median)':>18}",
    ]
    for row in result["rows"]:
        device = f"{row['device_peak_gib']['max']:.2f}" if "device_peak_gib" in row else "-"
        lines.append(
            f"{row['checkpoint']:26}{row['way']:10}{row['peak_gib']['max']:8.2f}{row['left_gib']['max']:8.2f}{device:>8}"
            f"{row['seconds']['median']:18.1f}"
        )
    verdict = "met" if targets["met"] else "MISSED"
    return "\n".join([*lines, f"limit {targets['peak_gib_at_most']:.2f} GiB for openpi: {verdict}"])


if __name__ == "__main__":
    app.run(main)
