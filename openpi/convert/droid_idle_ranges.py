"""Finds the frames of DROID's RLDS release where the robot does not stand still.

    bazel run //openpi/convert:droid_idle_ranges -- --data_dir=FOLDER --output=ranges.json

FOLDER holds droid/1.0.1. The output is a JSON file, "<recording_folderpath>--<file_path>" to [[start, end), ...] of every
episode, for `filter` in config.data.rlds.datasets. The dataset is read once, into the index that training uses too; a run
that was stopped goes on where it was.
"""

import json
import pathlib
import sys
import uuid

import numpy as np
import tqdm
from absl import flags

from openpi.cli import program
from openpi.convert import droid_idle_rule
from openpi.data.rlds import droid, frame_ranges, index_build, open_droid, tfds_info

_DATA_DIR = flags.DEFINE_string("data_dir", None, "Folder that holds the dataset as <name>/<version>.")
_NAME = flags.DEFINE_string("name", "droid", "The dataset's name.")
_VERSION = flags.DEFINE_string("version", "1.0.1", "The dataset's version.")
_OUTPUT = flags.DEFINE_string("output", None, "The JSON file to write; one that is there is replaced.")


def main(_: list[str]) -> None:
    """Reads, applies the rule, writes and prints a summary."""
    output = pathlib.Path(_OUTPUT.value).expanduser().absolute()
    output.parent.mkdir(parents=True, exist_ok=True)  # fails before the work, not after it
    info = tfds_info.load(pathlib.Path(_DATA_DIR.value).expanduser().absolute() / _NAME.value / _VERSION.value)
    index = index_build.open_or_build(info, droid.LAYOUT, open_droid.index_dir())
    velocity = index.column("action_dict/joint_velocity")
    found: dict[str, list[list[int]]] = {}
    for number in tqdm.trange(len(index.start), desc="idle ranges", unit="episode", disable=not sys.stderr.isatty()):
        steps = np.asarray(velocity[index.start[number] : index.stop[number]])
        found[frame_ranges.episode_key(index.metadata[number])] = droid_idle_rule.ranges(steps)
    _write(output, found)
    kept = sum(stop - start for spans in found.values() for start, stop in spans)
    print(f"{kept} of {len(index)} frames in {len(found)} episodes are kept: {output}")


def _write(path: pathlib.Path, value: dict[str, list[list[int]]]) -> None:
    partial = path.with_name(f".{path.name}.partial-{uuid.uuid4().hex[:8]}")
    try:
        partial.write_text(json.dumps(value), encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _check() -> None:
    for name in ("data_dir", "output"):
        if not flags.FLAGS[name].value:
            raise ValueError(f"--{name} is needed")


if __name__ == "__main__":
    program.run(main, name="droid_idle_ranges", check=_check)
