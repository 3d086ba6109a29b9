"""Measures how long normalization statistics take.

    bazel run //openpi/benchmarks:norm_stats -- --json=PATH

Records LeRobot datasets of random tables of an ALOHA robot (14 numbers, action chunks of 50 steps) and computes their
statistics, each time in a fresh process: of 10,000 frames by openpi, and of 2,048 by the published way (item by item, without
the video that it decodes besides) in turn; then of a million frames by openpi. On 3,200 frames openpi's quantiles must be
numpy's, and the published ones close to them. The exit code is 1 when they are not, or when openpi needs more than

    10,000 frames       1 s
    1,000,000 frames    60 s, 2 GiB of memory (of the whole process)
"""

import pathlib
import tempfile
from typing import Any

from absl import flags

from openpi.benchmarks import fresh_process, norm_stats_speed, record, table_reading
from openpi.cli import program

_RECORD = record.Record("norm_stats", ("numpy", "pyarrow"))
_ROUNDS = flags.DEFINE_integer("rounds", 5, "Measurements of the 10,000 frames, each way.", lower_bound=1)
_FRAMES = flags.DEFINE_integer("frames", 1_000_000, "Frames of the large dataset.", lower_bound=1000)

_EPISODE = 100  # frames
_CHECKED, _SMALL, _ONE_BY_ONE = 3200, 10_000, 2048  # frames
_SMALL_S, _LARGE_S, _LARGE_MIB = 1.0, 60.0, 2048.0  # targets
# Limits of `check`: rounding of float64 and float32; bins of the published histograms that move.
_ERRORS = {"mean_std_error": 1e-9, "published_mean_std_error": 1e-3, "published_quantile_error": 2 / 5000}
_FIGURES = ("frames_per_s", "seconds", "open_s", "peak_mib")


def main(_: list[str]) -> int:
    """Generates, measures, prints and writes."""
    runs: dict[str, list[dict[str, Any]]] = {way: [] for way in norm_stats_speed.WAYS}
    horizon = table_reading.HORIZON
    with tempfile.TemporaryDirectory() as folder:
        roots = {frames: pathlib.Path(folder) / str(frames) for frames in (_CHECKED, _SMALL, _FRAMES.value)}
        for frames, root in roots.items():
            table_reading.write(root, "v3.0", frames // _EPISODE, _EPISODE)
        checked = norm_stats_speed.check(roots[_CHECKED], horizon)
        for _round in range(_ROUNDS.value):
            for way, frames in zip(norm_stats_speed.WAYS, (_SMALL, _ONE_BY_ONE), strict=True):
                runs[way].append(fresh_process.call(norm_stats_speed.measure, roots[_SMALL], way, frames, horizon))
        large = fresh_process.call(norm_stats_speed.measure, roots[_FRAMES.value], "openpi", _FRAMES.value, horizon)
    result = _result(runs, large, checked)
    print(_table(result))
    _RECORD.write(result)
    return 0 if result["targets"]["met"] else 1


def _result(runs: dict[str, list[dict[str, Any]]], large: dict[str, Any], checked: dict[str, float]) -> dict[str, Any]:
    rows: list[dict[str, Any]] = []
    for way, found in [*runs.items(), ("openpi", [large])]:
        for run in found:
            run["frames_per_s"] = run["frames"] / run["seconds"]
        figures = {figure: record.spread([run[figure] for run in found]) for figure in _FIGURES}
        rows.append({"way": way, "frames": found[0]["frames"], **figures})
    ratios = [a["frames_per_s"] / b["frames_per_s"] for a, b in zip(runs["openpi"], runs["published"], strict=True)]
    agree = checked["exact"] == 1 and all(checked[name] < limit for name, limit in _ERRORS.items())
    met = (
        agree
        and rows[0]["seconds"]["median"] <= _SMALL_S
        and large["seconds"] <= _LARGE_S
        and large["peak_mib"] <= _LARGE_MIB
    )
    return {
        "shapes": {"observation.state": [table_reading.WIDTH], "action": [table_reading.HORIZON, table_reading.WIDTH]},
        "dtype": "float32",
        "targets": {
            "seconds_of_10000_frames_at_most": _SMALL_S,
            "seconds_of_the_large_dataset_at_most": _LARGE_S,
            "peak_mib_at_most": _LARGE_MIB,
            "errors_below": _ERRORS,
            "met": met,
        },
        "openpi_to_published": record.spread(ratios),
        "checked": {"frames": _CHECKED, **checked},
        "rows": rows,
    }


def _table(result: dict[str, Any]) -> str:
    lines = [f"{'way':12}{'frames':>12}{'seconds':>10}{'frames/s':>12}{'peak':>11}   (medians)"]
    for row in result["rows"]:
        lines.append(
            f"{row['way']:12}{row['frames']:12,}{row['seconds']['median']:10.2f}{row['frames_per_s']['median']:12,.0f}"
            f"{row['peak_mib']['median']:7.0f} MiB"
        )
    checked = result["checked"]
    return "\n".join(
        [
            *lines,
            f"openpi to published: {result['openpi_to_published']['median']:.0f} x",
            f"of {checked['frames']:,} frames: quantiles {'exact' if checked['exact'] else 'NOT EXACT'}; mean and std within "
            f"{checked['mean_std_error']:.1g} std; as published within {checked['published_mean_std_error']:.1g}, its quantiles "
            f"within {checked['published_quantile_error']:.1g} of the range",
            f"targets: {'met' if result['targets']['met'] else 'MISSED'}",
        ]
    )


if __name__ == "__main__":
    program.run(main)
