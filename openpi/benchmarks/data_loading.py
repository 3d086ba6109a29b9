"""Measures how fast training gets its images: 3 cameras of 480x640 at 50 fps, with chunks of 50 actions.

    bazel run //openpi/benchmarks:data_loading -- --json=PATH --lerobot='COMMAND'

Records a dataset of moving pictures, makes its caches, and reads it in random order as the model takes it (squares of 224
pixels): with decoded frames cached, with the video cache, and decoding each time; each in a fresh process, in turn, several
rounds; and once in the frames' order and with other numbers of threads. In every round the lerobot package reads the same
files at its best setting, where COMMAND starts //openpi/benchmarks:lerobot_loading (build it with --config=lerobot, and give
its path in bazel-bin). It delivers the frames as they are, which is less work than resizing them. Last, a small network is
trained for 8 steps and tells how long it waited.

The exit code is 1 when a target is missed: decoded frames at 100 times the rate of lerobot, decoding at 1.5 times, data wait
below 5 %; or when a way gives other images than it should.
"""

import contextlib
import json
import os
import pathlib
import shlex
import subprocess
import tempfile
from typing import Any

import numpy as np
from absl import flags

from openpi.benchmarks import fresh_process, image_loading, record, training_wait
from openpi.cli import program

_RECORD = record.Record("data_loading", ("grain", "av", "pillow", "numpy", "jax"))
_ROUNDS = flags.DEFINE_integer("rounds", 5, "Readings of each way.", lower_bound=1)
_SECONDS = flags.DEFINE_float("seconds", 5.0, "Seconds of each reading.", lower_bound=0.1)
_EPISODES = flags.DEFINE_integer("episodes", 4, "Episodes of the dataset.", lower_bound=1)
_FRAMES = flags.DEFINE_integer("frames", 300, "Frames of each.", lower_bound=1)
_LEROBOT = flags.DEFINE_string("lerobot", None, "Command that starts lerobot_loading, to compare with.")

_WAYS = ("frames", "video", "none")
_EXACT = ("frames", "none")
_CACHED_AT_LEAST, _UNCACHED_AT_LEAST, _WAIT_AT_MOST = 100.0, 1.5, 0.05


def main(_: list[str]) -> int:
    """Generates, measures, prints and writes."""
    with tempfile.TemporaryDirectory() as folder:
        root, home = pathlib.Path(folder) / "data", pathlib.Path(folder) / "home"
        fresh_process.call(image_loading.write, root, _EPISODES.value, _FRAMES.value)
        caches = {way: home / way for way in _WAYS}
        built = {way: fresh_process.call(image_loading.build, root, way, caches[way]) for way in ("frames", "video")}
        lerobot = _lerobot_settings(root, []) if _LEROBOT.value else []
        best = max(lerobot, key=lambda found: found["samples_per_s"], default=None)
        runs: dict[str, list[dict[str, Any]]] = {way: [] for way in _WAYS}
        baseline: list[float] = []
        for _round in range(_ROUNDS.value):
            for way in _WAYS:
                runs[way].append(_read(root, way, caches[way]))
            if best is not None:
                baseline += [found["samples_per_s"] for found in _lerobot_settings(root, _flags_of(best))]
        others = [
            {"way": way, "threads": threads, "in_order": not shuffle}
            | {key: _read(root, way, caches[way], threads, shuffle)[key] for key in ("rows_per_s", "peak_mib")}
            for way in _WAYS
            for threads, shuffle in _other_settings(way)
        ]
        with contextlib.chdir(folder):
            wait = {way: fresh_process.call(training_wait.measure, root, way, home / "run") for way in ("frames",)}
        size = sum(path.stat().st_size for path in root.rglob("*") if path.is_file()) / image_loading.MIB
    _check_same_images(runs)
    result = _result(runs, baseline, best, lerobot)
    result |= {"dataset_mib": size, "built": built, "other_settings": others, "training": wait["frames"]}
    result["targets"] = _targets(result)
    print(_table(result))
    _RECORD.write(result, unsaid=["lerobot"])
    return 0 if result["targets"]["met"] else 1


def _read(
    root: pathlib.Path, way: str, directory: pathlib.Path, threads: int | None = None, shuffle: bool = True
) -> dict[str, Any]:
    """At the loader's own number of threads if None."""
    chosen = image_loading.automatic_threads(way) if threads is None else threads
    return fresh_process.call(
        image_loading.measure, root, way, directory, threads=chosen, shuffle=shuffle, seconds=_SECONDS.value
    )


def _other_settings(way: str) -> list[tuple[int, bool]]:
    own, cores = image_loading.automatic_threads(way), os.cpu_count() or 1
    return [(threads, True) for threads in sorted({0, 1, cores, 2 * cores} - {own})] + [(own, False)]


def _lerobot_settings(root: pathlib.Path, settings: list[str]) -> list[dict[str, Any]]:
    command = [*shlex.split(_LEROBOT.value), f"--root={root}", f"--seconds={_SECONDS.value}", *settings]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{_LEROBOT.value}: {done.stderr.strip().splitlines()[-1:]}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def _flags_of(found: dict[str, Any]) -> list[str]:
    return [f"--{name}={found[name]}" for name in ("workers", "threads", "batch_size")]


def _check_same_images(runs: dict[str, list[dict[str, Any]]]) -> None:
    if len({run["checksum"] for way in _EXACT for run in runs[way]}) != 1:
        raise RuntimeError("cached frames and decoded ones gave the model different images")


def _result(
    runs: dict[str, list[dict[str, Any]]],
    baseline: list[float],
    best: dict[str, Any] | None,
    lerobot: list[dict[str, Any]],
) -> dict[str, Any]:
    rates = {way: [run["rows_per_s"] for run in found] for way, found in runs.items()}
    rows: list[dict[str, Any]] = [
        {
            "way": way,
            "threads": image_loading.automatic_threads(way),
            "rows_per_s": record.spread(rates[way]),
            "peak_mib": max(run["peak_mib"] for run in found),
        }
        | ({"times_lerobot": float(np.median(np.array(rates[way]) / baseline))} if baseline else {})
        for way, found in runs.items()
    ]
    return {
        "shapes": {
            "images": [len(image_loading.CAMERAS), *image_loading.SIZE, 3],
            "model_images": [len(image_loading.CAMERAS), image_loading.IMAGE_SIZE, image_loading.IMAGE_SIZE, 3],
            "actions": [image_loading.HORIZON, image_loading.WIDTH],
        },
        "batch_size": image_loading.BATCH_SIZE,
        "frames": _EPISODES.value * _FRAMES.value,
        "rows": rows,
        "lerobot": {"best": best, "rows_per_s": record.spread(baseline), "settings": lerobot} if best else None,
    }


def _targets(result: dict[str, Any]) -> dict[str, Any]:
    times = {row["way"]: row.get("times_lerobot") for row in result["rows"]}
    wait = result["training"]["data_wait"]
    met = wait <= _WAIT_AT_MOST and (
        times["frames"] is None or (times["frames"] >= _CACHED_AT_LEAST and times["none"] >= _UNCACHED_AT_LEAST)
    )
    return {
        "frames_times_lerobot_at_least": _CACHED_AT_LEAST,
        "none_times_lerobot_at_least": _UNCACHED_AT_LEAST,
        "data_wait_at_most": _WAIT_AT_MOST,
        "met": met,
    }


def _table(result: dict[str, Any]) -> str:
    lines = [
        f"{result['frames']:,} frames of 3 cameras, {result['dataset_mib']:.0f} MiB (medians):",
        f"{'config.data.cache':20}{'threads':>8}{'rows/s':>10}{'x lerobot':>11}{'memory':>11}",
    ]
    for row in result["rows"]:
        times = f"{row['times_lerobot']:.1f}" if "times_lerobot" in row else "-"
        rate, memory = row["rows_per_s"]["median"], row["peak_mib"]
        lines.append(f"{row['way']:20}{row['threads']:8}{rate:10,.0f}{times:>11}{memory:7,.0f} MiB")
    if found := result["lerobot"]:
        setting = ", ".join(f"{name} {found['best'][name]}" for name in ("workers", "threads", "batch_size"))
        lines.append(f"{'lerobot':28}{found['rows_per_s']['median']:10.1f}   ({setting})")
    for entry in result["other_settings"]:
        name = f"{entry['way']}{', in order' if entry['in_order'] else ''}"
        lines.append(f"{name:20}{entry['threads']:8}{entry['rows_per_s']:10,.0f}{'':11}{entry['peak_mib']:7,.0f} MiB")
    for way, cache in result["built"].items():
        lines.append(f"building {way!r}: {cache['rows_per_s']:.0f} rows/s, {cache['mib']:.0f} MiB")
    training = result["training"]
    lines.append(f"training: {training['steps_per_s']:.1f} steps/s, data wait {100 * training['data_wait']:.1f} %")
    return "\n".join([*lines, f"targets: {'met' if result['targets']['met'] else 'MISSED'}"])


if __name__ == "__main__":
    program.run(main, name="data_loading")
