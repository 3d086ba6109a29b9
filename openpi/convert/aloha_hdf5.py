"""Converts raw ALOHA recordings (episode_N.hdf5) to a LeRobot dataset.

    bazel run //openpi/convert:aloha_hdf5 -- --data_dir=RAW --task="put the cap on the pen" --output=FOLDER

The dataset has observation.state and action (14 joints, the left arm first), observation.velocity and observation.effort
where they were recorded, and observation.images.CAMERA, at 50 frames a second. Train on it with --config.data.root=FOLDER.
"""

import pathlib
import re

from absl import flags

from openpi.cli import program
from openpi.convert import aloha_episode, conversion

_DATA_DIR = flags.DEFINE_string("data_dir", None, "Folder of the raw recordings, episode_N.hdf5.")
_TASK = flags.DEFINE_string("task", None, "What the robot does, in a sentence: the instruction of every episode.")
_EPISODES = flags.DEFINE_list("episodes", [], "Numbers of the episodes to convert, e.g. 0,3,7; all if not given.")
_MOBILE = flags.DEFINE_bool("is_mobile", False, "The robot is a Mobile ALOHA.")
_BGR = flags.DEFINE_bool("bgr", False, "Exchange red and blue: for recorders that stored their images blue first.")
_options = conversion.define_flags()


def main(_: list[str]) -> None:
    """Finds the recordings, and converts them."""
    conversion.run(
        find(pathlib.Path(_DATA_DIR.value).expanduser()),
        lambda path: aloha_episode.opened(path, task=_TASK.value, bgr=_BGR.value),
        _options(),
        fps=aloha_episode.FPS,
        robot_type="mobile_aloha" if _MOBILE.value else "aloha",
        tags=("aloha", "hdf5"),
    )


def find(folder: pathlib.Path) -> list[pathlib.Path]:
    """The recordings that were asked for, by their number."""
    numbered = {}
    for path in folder.glob("episode_*.hdf5"):
        if match := re.fullmatch(r"episode_(\d+)\.hdf5", path.name):
            other = numbered.setdefault(int(match[1]), path)
            if other != path:
                raise ValueError(f"{other} and {path.name} are both of number {int(match[1])}: rename or remove one")
    if not numbered:
        raise FileNotFoundError(f"{folder} holds no episode_N.hdf5: give --data_dir=FOLDER of raw recordings")
    wanted = [int(number) for number in _EPISODES.value] or sorted(numbered)
    if missing := [number for number in wanted if number not in numbered]:
        raise FileNotFoundError(f"{folder} holds no episode_{missing[0]}.hdf5, which --episodes names")
    return [numbered[number] for number in wanted]


def _check() -> None:
    for name in ("data_dir", "task"):
        if not flags.FLAGS[name].value:
            raise ValueError(f"--{name} is needed")
    if bad := [number for number in _EPISODES.value if not number.isdecimal()]:
        raise ValueError(f"--episodes: {bad[0]!r} is no number")
    _options()


if __name__ == "__main__":
    program.run(main, name="aloha_hdf5", check=_check)
