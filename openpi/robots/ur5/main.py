"""Lets a policy server drive a UR5e with a Robotiq gripper and two RealSense cameras.

    bazel run //openpi/robots/ur5 -- --host=SERVER --robot_host=192.168.1.10 --base_camera=SERIAL --wrist_camera=SERIAL --speed=0.2

and, on any machine, with a simulated arm and test pictures in place of the robot,

    bazel run //openpi/robots/ur5 -- --dry_run

The policy is asked once before anything moves. Keys: e, space and Esc stop the arm where it is; Ctrl-C ends and sends it home.
openpi/robots/ur5/README.md leads from unboxing to the first motion.
"""

from __future__ import annotations

import contextlib

from absl import flags

from openpi.cli import program
from openpi.robots.driving import drive, drive_flags, server_flags, simulated
from openpi.robots.ur5 import environment, hardware, limits, realsense
from openpi.runtime import emergency_stop

_ROBOT_HOST = flags.DEFINE_string("robot_host", None, "Address of the robot's control box.")
_BASE_CAMERA = flags.DEFINE_string("base_camera", None, "Serial number of the camera before the arm.")
_WRIST_CAMERA = flags.DEFINE_string("wrist_camera", None, "Serial number of the camera on the wrist.")
_NUM_EPISODES = flags.DEFINE_integer("num_episodes", 1, "Episodes to run.", lower_bound=1)
_ACTION_HORIZON = flags.DEFINE_integer(
    "action_horizon", 10, "Actions of a chunk that are played before the next is asked for.", lower_bound=1
)
_PROMPT = flags.DEFINE_string("prompt", None, "What the robot should do; the server's --default_prompt if not given.")


def main(_: list[str]) -> None:
    modules = None if drive_flags.DRY_RUN.value else hardware.libraries()
    stop = emergency_stop.EmergencyStop()
    with contextlib.ExitStack() as stack:
        policy = stack.enter_context(server_flags.connect())
        arm = _simulated() if modules is None else _real(modules)
        stack.callback(arm.close)
        robot = environment.Ur5Environment(arm, prompt=_PROMPT.value, stop=stop)
        driven = drive.Drive(
            policy,
            robot,
            drive_flags.limit(limits.LIMITS),
            measure=environment.measure,
            stop=stop,
            action_horizon=_ACTION_HORIZON.value,
            playback=drive_flags.PLAYBACK.value,
        )
        driven.check()
        driven.run(num_episodes=_NUM_EPISODES.value, max_episode_steps=drive_flags.MAX_EPISODE_STEPS.value)


def _real(modules: hardware.Libraries) -> hardware.Ur5Hardware:
    return hardware.Ur5Hardware(modules, _ROBOT_HOST.value, {"base": _BASE_CAMERA.value, "wrist": _WRIST_CAMERA.value})


def _simulated() -> simulated.SimulatedDriver:
    size = (realsense.ROWS, realsense.COLUMNS)
    return simulated.SimulatedDriver((*limits.HOME, 0.5), dict.fromkeys(environment.CAMERAS, size), hz=limits.HZ)


def _check() -> None:
    if drive_flags.DRY_RUN.value:
        return
    for flag in (_ROBOT_HOST, _BASE_CAMERA, _WRIST_CAMERA):
        if not flag.value:
            raise ValueError(f"give --{flag.name}, or --dry_run for a simulated arm")


if __name__ == "__main__":
    program.run(main, check=_check, interrupted="ended by Ctrl-C")
