"""Measures how fast the lerobot package loads a dataset, at several settings: what openpi's loader is compared with.

    bazel run --config=lerobot //openpi/benchmarks:lerobot_loading -- --root=DATASET

Its LeRobotDataset through torch's DataLoader, in random order, with action chunks, each setting in a fresh process.
Prints one line of JSON a setting.
"""

import concurrent.futures
import importlib.metadata
import itertools
import json
import multiprocessing
import os
import pathlib

from absl import flags

from openpi.benchmarks import lerobot_loader
from openpi.cli import program

_ROOT = flags.DEFINE_string("root", None, "Folder of a LeRobot v3.0 dataset.", required=True)
_SECONDS = flags.DEFINE_float("seconds", 5.0, "Seconds that each setting is measured for.", lower_bound=0.1)
_JSON = flags.DEFINE_string("json", None, "File for the result: a list of what is printed.")
_WORKERS = flags.DEFINE_multi_integer(
    "workers", [0, os.cpu_count()], "Worker processes of the DataLoader. Repeats.", lower_bound=0
)
_THREADS = flags.DEFINE_multi_integer("threads", [1, 0], "Threads of torch; 0: its default. Repeats.", lower_bound=0)
_BATCH_SIZE = flags.DEFINE_multi_integer("batch_size", [8, 32], "Samples a batch. Repeats.", lower_bound=1)
_CHUNK_KEY = flags.DEFINE_string("chunk_key", "action", "The feature that is delivered as a chunk.")
_CHUNK_STEPS = flags.DEFINE_integer("chunk_steps", 50, "Steps of the chunk.", lower_bound=1)
_VERSIONS = ("lerobot", "torch", "torchcodec", "av", "numpy")


def main(_: list[str]) -> None:
    """Measures every combination, prints and writes."""
    versions = {name: importlib.metadata.version(name) for name in _VERSIONS}
    results = []
    for setting in _settings():
        result = {"reader": "lerobot", **_measure(setting), "versions": versions}
        results.append(result)
        print(json.dumps(result), flush=True)
    if _JSON.value:
        pathlib.Path(_JSON.value).write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def _settings() -> list[lerobot_loader.Setting]:
    combinations = itertools.product(_WORKERS.value, _THREADS.value, _BATCH_SIZE.value)
    return [lerobot_loader.Setting(*combination) for combination in combinations]


def _measure(setting: lerobot_loader.Setting) -> dict[str, object]:
    """In a process of its own, which knows the number of threads before it loads OpenMP."""
    if setting.threads:
        os.environ["OMP_NUM_THREADS"] = str(setting.threads)
    else:
        os.environ.pop("OMP_NUM_THREADS", None)
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(
            lerobot_loader.measure,
            pathlib.Path(_ROOT.value),
            setting,
            chunk_key=_CHUNK_KEY.value,
            chunk_steps=_CHUNK_STEPS.value,
            seconds=_SECONDS.value,
        ).result()


if __name__ == "__main__":
    program.run(main, name="lerobot_loading")
