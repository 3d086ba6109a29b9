"""Lets a policy server drive an ALOHA.

    bazel run //openpi/robots/aloha -- --host=SERVER --prompt="fold the towel" --speed=0.2

and, on any machine, with simulated arms and cameras in place of the robot,

    bazel run //openpi/robots/aloha -- --dry_run

The policy is asked once before anything moves. Keys: e, space and Esc stop the arms where they are; Ctrl-C ends and sends them
home. openpi/robots/aloha/README.md leads from unboxing to the first motion.
"""

from __future__ import annotations

import contextlib

from absl import flags

from openpi.cli import program
from openpi.robots.aloha import environment, hardware, limits, simulated
from openpi.robots.driving import drive, drive_flags, server_flags
from openpi.runtime import emergency_stop

_NUM_EPISODES = flags.DEFINE_integer("num_episodes", 1, "Episodes to run.", lower_bound=1)
_ACTION_HORIZON = flags.DEFINE_integer(
    "action_horizon", 25, "Actions of a chunk that are played before the next is asked for.", lower_bound=1
)
_PROMPT = flags.DEFINE_string("prompt", None, "What the robot should do; the server's --default_prompt if not given.")


def main(_: list[str]) -> None:
    modules = None if drive_flags.DRY_RUN.value else hardware.libraries()
    stop = emergency_stop.EmergencyStop()
    with contextlib.ExitStack() as stack:
        policy = stack.enter_context(server_flags.connect())
        pose = environment.reset_pose(policy.get_server_metadata())
        arms = simulated.SimulatedAloha() if modules is None else hardware.AlohaHardware(modules)
        stack.callback(arms.close)
        robot = environment.AlohaEnvironment(arms, reset_pose=pose, prompt=_PROMPT.value, stop=stop)
        driven = drive.Drive(
            policy,
            robot,
            drive_flags.limit(limits.LIMITS),
            measure=lambda observation: observation["state"],
            stop=stop,
            action_horizon=_ACTION_HORIZON.value,
            playback=drive_flags.PLAYBACK.value,
        )
        driven.check()
        driven.run(num_episodes=_NUM_EPISODES.value, max_episode_steps=drive_flags.MAX_EPISODE_STEPS.value)


if __name__ == "__main__":
    program.run(main, interrupted="ended by Ctrl-C")
