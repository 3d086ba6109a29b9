"""Shows what a dataset holds.

    bazel run //openpi/datasets:inspect -- DATASET
    bazel run //openpi/datasets:inspect -- DATASET --png=FOLDER --episode=0,7
    bazel run //openpi/datasets:inspect -- DATASET --rerun=FILE.rrd --episode=7
    bazel run //openpi/datasets:inspect -- --config=experiments/aloha.py

A DATASET is a folder, the name of one in the cache, or OWNER/NAME of the Hugging Face Hub, which is fetched. Prints robot,
format, rate, episodes, lengths, tasks, features and sizes, and what looks wrong. Every table is read, and the last frame of
every video: with episodes that cannot be used the exit code is 1. --png draws frames of all cameras and the joints of some
episodes (or of --episode), --rerun writes one for the Rerun viewer, --json the same as the text for machines.
"""

import json
import pathlib
import sys

import numpy as np
import tqdm
from absl import flags

from openpi.cli import program
from openpi.data.lerobot import reader
from openpi.datasets import episode_sheet, find, summary

_MOST_SHEETS = 8

_CONFIG = flags.DEFINE_string("config", None, "Instead of DATASET: a configuration, FILE.py[:VARIANT] or its name.")
_REVISION = flags.DEFINE_string("revision", "", "Of a dataset of the Hub: a branch, tag or commit.")
_EPISODE = flags.DEFINE_list("episode", [], "Numbers of the episodes to draw, e.g. 0,7.")
_PNG = flags.DEFINE_string("png", None, f"Folder for pictures of the episodes ({_MOST_SHEETS} of them by default).")
_RERUN = flags.DEFINE_string("rerun", None, "File for the first of the episodes, to be opened with Rerun.")
_JSON = flags.DEFINE_string("json", None, "File for the result; - for standard output, then nothing else is printed.")
_VIDEOS = flags.DEFINE_bool("check_videos", True, "Decode the last frame of every video.")


def main(arguments: list[str]) -> int:
    """Reads, prints, draws, and returns the exit code."""
    if bool(arguments) == bool(_CONFIG.value):
        asked = "give either DATASET or --config" if arguments else "give DATASET, or --config=FILE.py"
        print(f"inspect: error: {asked}; see --help", file=sys.stderr)
        return program.USAGE_ERROR
    root = find.by_config(_CONFIG.value) if _CONFIG.value else find.by_name(arguments[0], revision=_REVISION.value)
    dataset = reader.LeRobotDataset(root, skip_bad_episodes=True, check_videos=_VIDEOS.value)
    places = _places(dataset)  # fails before the work, not after it
    told = summary.describe(dataset)
    if _JSON.value != "-":
        print(summary.render(told), flush=True)
    if _JSON.value:
        content = json.dumps(told, indent=1, allow_nan=False) + "\n"
        sys.stdout.write(content) if _JSON.value == "-" else pathlib.Path(_JSON.value).write_text(content, "utf-8")
    if _PNG.value:
        _draw(
            dataset, places or sorted({*np.linspace(0, len(dataset.episodes) - 1, _MOST_SHEETS).astype(int).tolist()})
        )
    if _RERUN.value:
        from openpi.datasets import rerun_export  # only here: it takes seconds to import

        _say(rerun_export.write(dataset, places[0] if places else 0, _RERUN.value))
    return 1 if dataset.skipped else 0


def _places(dataset: reader.LeRobotDataset) -> list[int]:
    """Where the episodes of --episode are among those that can be used."""
    there = {number: place for place, number in enumerate(dataset.episodes.index.tolist())}
    wanted = [int(number) for number in _EPISODE.value]
    for number in wanted:
        if number not in there:
            why = dataset.skipped.get(number, f"the dataset has episodes 0 to {dataset.info.total_episodes - 1}")
            raise ValueError(f"--episode={number}: {why}")
    return [there[number] for number in wanted]


def _draw(dataset: reader.LeRobotDataset, places: list[int]) -> None:
    folder = pathlib.Path(_PNG.value)
    for place in tqdm.tqdm(places, desc="drawing", unit="episode", disable=not sys.stderr.isatty()):
        _say(episode_sheet.write(dataset, place, folder / f"episode_{dataset.episodes.index[place]:06d}.png"))


def _say(path: pathlib.Path) -> None:
    print(f"written to {path}", file=sys.stderr if _JSON.value == "-" else sys.stdout, flush=True)


def _check() -> None:
    if bad := [number for number in _EPISODE.value if not number.isdecimal()]:
        raise ValueError(f"--episode: {bad[0]!r} is no number")


if __name__ == "__main__":
    program.run(main, name="inspect", positional="[DATASET]", check=_check)
