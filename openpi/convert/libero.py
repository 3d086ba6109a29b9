"""Converts the RLDS release of LIBERO to a LeRobot dataset.

    bazel run //openpi/convert:libero -- --data_dir=FOLDER --output=FOLDER

The first folder holds libero_10_no_noops, libero_goal_no_noops, libero_object_no_noops and libero_spatial_no_noops, as
the "modified LIBERO RLDS" datasets are published. The dataset has image, wrist_image, state (8) and actions (7) at 10 frames a
second, and the instruction as the task. Train on it with --config.data.root=FOLDER.
"""

import pathlib

from absl import flags

from openpi.cli import program
from openpi.convert import conversion, libero_episode

_DATA_DIR = flags.DEFINE_string("data_dir", None, "Folder that holds the datasets as <name>/<version>.")
_SETS = flags.DEFINE_list("sets", list(libero_episode.SETS), "Names of the datasets to convert, in this order.")
_options = conversion.define_flags()


def main(_: list[str]) -> None:
    """Finds the episodes, and converts them."""
    options = _options()
    conversion.run(
        libero_episode.find(pathlib.Path(_DATA_DIR.value).expanduser().absolute(), _SETS.value),
        libero_episode.opened,
        options,
        fps=libero_episode.FPS,
        robot_type="panda",
        tags=("libero", "panda", "rlds"),
    )


def _check() -> None:
    for name in ("data_dir", "sets"):
        if not flags.FLAGS[name].value:
            raise ValueError(f"--{name} is needed")
    _options()


if __name__ == "__main__":
    program.run(main, name="libero", check=_check)
