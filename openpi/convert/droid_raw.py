"""Converts raw DROID recordings (trajectory.h5 and MP4 videos) to a LeRobot dataset.

    bazel run //openpi/convert:droid_raw -- --data_dir=RAW --output=FOLDER

Every trajectory.h5 below the folder is an episode. The dataset has exterior_image_1_left, exterior_image_2_left and
wrist_image_left (180x320), joint_position (7), gripper_position (1) and actions (7 joint velocities and the gripper's
position), at 15 frames a second. The instruction is the first of DROID's annotations, "Do something" where it has none. Train
on it with --config.data.root=FOLDER.
"""

import collections
import pathlib
from collections.abc import Mapping
from typing import Any

from absl import flags

from openpi.cli import program
from openpi.convert import conversion, droid_episode, droid_instructions

_DATA_DIR = flags.DEFINE_string("data_dir", None, "Folder of the raw recordings, however deep they lie.")
_ANNOTATIONS = flags.DEFINE_string(
    "annotations", None, f"DROID's file of instructions; {droid_instructions.FILE} in --data_dir if not given."
)
_INSTRUCTIONS = flags.DEFINE_bool("instructions", True, "Without: every episode is to 'Do something'.")
_options = conversion.define_flags()


def main(_: list[str]) -> None:
    """Finds the recordings and their instructions, and converts them."""
    folder = pathlib.Path(_DATA_DIR.value).expanduser()
    paths = sorted(folder.rglob("trajectory.h5"))
    if not paths:
        raise FileNotFoundError(f"{folder} holds no trajectory.h5: give --data_dir=FOLDER of raw DROID recordings")
    annotations: Mapping[str, Any] = {}
    if _INSTRUCTIONS.value:
        annotations = droid_instructions.load(
            pathlib.Path(_ANNOTATIONS.value or folder / droid_instructions.FILE).expanduser()
        )
    tasks = {
        path: droid_instructions.instruction(annotations, droid_instructions.recording_id(path.parent))
        for path in paths
    }
    if _INSTRUCTIONS.value:
        without = collections.Counter(tasks.values())[droid_instructions.FALLBACK]
        print(f"{len(paths)} recordings, {len(paths) - without} with an instruction", flush=True)
    conversion.run(
        paths,
        lambda path: droid_episode.opened(path, task=tasks[path]),
        _options(),
        fps=droid_episode.FPS,
        robot_type="panda",
        tags=("droid", "panda"),
    )


def _check() -> None:
    if not _DATA_DIR.value:
        raise ValueError("--data_dir is needed")
    _options()


if __name__ == "__main__":
    program.run(main, name="droid_raw", check=_check)
