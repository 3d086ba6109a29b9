"""Lets a policy server drive a robot of your own.

    bazel run //openpi/robots/template -- --robot=my_robot.py --host=SERVER --prompt="do the task" --speed=0.2

and, on any machine, with simulated joints and test pictures in place of the robot,

    bazel run //openpi/robots/template -- --robot=my_robot.py --dry_run

The file says what the robot may do and opens its hardware; what the policy sees, the server describes, as your configuration
says. The policy is asked once before anything moves. Keys: e, space and Esc stop the robot where it is; Ctrl-C ends and sends
it home. openpi/robots/template/README.md leads from unboxing to the first motion.
"""

from __future__ import annotations

import contextlib
import pathlib

from absl import flags

from openpi.cli import program
from openpi.client import robot_description
from openpi.robots.driving import drive, drive_flags, driver, server_flags, simulated
from openpi.robots.template import environment, robot_file
from openpi.runtime import emergency_stop

_OWN = pathlib.Path(__file__).with_name("my_robot.py")

_ROBOT = flags.DEFINE_string("robot", None, "Your robot's file; openpi/robots/template/my_robot.py if not given.")
_NUM_EPISODES = flags.DEFINE_integer("num_episodes", 1, "Episodes to run.", lower_bound=1)
_ACTION_HORIZON = flags.DEFINE_integer(
    "action_horizon", 10, "Actions of a chunk that are played before the next is asked for.", lower_bound=1
)
_PROMPT = flags.DEFINE_string("prompt", None, "What the robot should do; the server's --default_prompt if not given.")
_ROWS, _COLUMNS = 480, 640


def main(_: list[str]) -> None:
    file = robot_file.load(pathlib.Path(_ROBOT.value) if _ROBOT.value else _OWN)
    if file.open_driver is None and not drive_flags.DRY_RUN.value:
        raise ValueError(
            f"{file.path} has no function open_driver(), which opens the robot: openpi/robots/template/README.md shows one; "
            "or try --dry_run, without hardware"
        )
    stop = emergency_stop.EmergencyStop()
    with contextlib.ExitStack() as stack:
        policy = stack.enter_context(server_flags.connect())
        description = environment.describe(policy.get_server_metadata(), file)
        opened = _simulated(description, file) if drive_flags.DRY_RUN.value else file.open_driver()
        stack.callback(opened.close)
        robot = environment.DescribedEnvironment(opened, description, file, prompt=_PROMPT.value, stop=stop)
        driven = drive.Drive(
            policy,
            robot,
            drive_flags.limit(file.limits),
            measure=robot.measure,
            stop=stop,
            action_horizon=_ACTION_HORIZON.value,
            playback=drive_flags.PLAYBACK.value,
        )
        driven.check()
        driven.run(num_episodes=_NUM_EPISODES.value, max_episode_steps=drive_flags.MAX_EPISODE_STEPS.value)


def _simulated(description: robot_description.RobotDescription, file: robot_file.RobotFile) -> driver.Driver:
    """Begins halfway between home and the middle of its ranges."""
    joints = [(home + (joint.lower + joint.upper) / 2) / 2 for home, joint in zip(file.home, file.limits.joints)]
    names = [source.rpartition("/")[2] for source in environment.camera_sources(description)]
    return simulated.SimulatedDriver(joints, dict.fromkeys(names, (_ROWS, _COLUMNS)), hz=file.limits.hz)


if __name__ == "__main__":
    program.run(main, interrupted="ended by Ctrl-C")
