"""Lets a policy server act in gym-aloha's simulation of two ALOHA arms, and films it.

    bazel run //openpi/serve -- --env=ALOHA_SIM
    bazel run //openpi/robots/aloha_sim -- --num_episodes=10

As published: 50 Hz at the most, 10 actions of each chunk, the top camera in 224 pixels, an episode's seed drawn from a generator
of --seed. An episode succeeds when the cube has gone from the right hand to the left one (reward 4). --out_dir gets
out_<n>.mp4 for each episode, and results.json. --dry_run needs no simulator: a stand-in shows that server and program agree.
"""

from __future__ import annotations

import contextlib
import pathlib
import sys

from absl import flags

from openpi.cli import program
from openpi.client import action_chunk_broker
from openpi.robots.aloha_sim import scores, simulator
from openpi.robots.driving import first_answer, server_flags
from openpi.robots.video import video_saver
from openpi.runtime import gym_environment, policy_agent, runtime

_TASK = flags.DEFINE_string("task", simulator.TASK, "Name of the task, as gym-aloha registers it.")
_SEED = flags.DEFINE_integer("seed", 0, "Chooses the sequence of episodes.", lower_bound=0)
_NUM_EPISODES = flags.DEFINE_integer("num_episodes", 1, "Episodes to run.", lower_bound=1)
_MAX_EPISODE_STEPS = flags.DEFINE_integer(
    "max_episode_steps",
    simulator.MAX_EPISODE_STEPS,
    "An episode ends after so many steps; gym-aloha ends them after 300.",
    lower_bound=2,
)
_ACTION_HORIZON = flags.DEFINE_integer(
    "action_horizon", 10, "Actions of a chunk that are played before the next is asked for.", lower_bound=1
)
_MAX_HZ = flags.DEFINE_float("max_hz", float(simulator.HZ), "Most steps a second; 0 sets no limit.", lower_bound=0.0)
_PROMPT = flags.DEFINE_string("prompt", None, "What to do; the server's --default_prompt if not given.")
_OUT_DIR = flags.DEFINE_string("out_dir", "data/aloha_sim/videos", "Folder for the films and results.json.")
_SUBSAMPLE = flags.DEFINE_integer("subsample", 1, "Every such step is a frame of the film.", lower_bound=1)
_DRY_RUN = flags.DEFINE_bool("dry_run", False, "Needs no simulator: arms without physics and a test picture.")


def main(_: list[str]) -> None:
    env = simulator.StandIn() if _DRY_RUN.value else simulator.make(_TASK.value)
    task = gym_environment.GymEnvironment(env, observe=simulator.observe, prompt=_PROMPT.value, seed=_SEED.value)
    out_dir = pathlib.Path(_OUT_DIR.value)
    with contextlib.closing(task), server_flags.connect() as policy:
        task.reset(seed=_SEED.value)  # draws nothing: the episodes' seeds are those of the published program
        first_answer.check(
            policy,
            policy.get_server_metadata(),
            task.get_observation(),
            names=simulator.JOINTS,
            action_horizon=_ACTION_HORIZON.value,
        )
        noted = scores.Scores(task, max_episode_steps=_MAX_EPISODE_STEPS.value)
        film = video_saver.VideoSaver(out_dir, simulator.picture, fps=simulator.HZ, subsample=_SUBSAMPLE.value)
        broker = action_chunk_broker.ActionChunkBroker(policy, _ACTION_HORIZON.value)
        loop = runtime.Runtime(
            task,
            policy_agent.PolicyAgent(broker),
            [film, noted],
            max_hz=_MAX_HZ.value,
            num_episodes=_NUM_EPISODES.value,
            max_episode_steps=_MAX_EPISODE_STEPS.value - 1,  # the runtime makes one more
        )
        try:
            loop.run()
        finally:
            print(f"steps    {loop.pace_report()}")
            print(noted.summary())
            conditions = {
                "command": sys.argv,
                "seed": _SEED.value,
                "action_horizon": _ACTION_HORIZON.value,
                "max_episode_steps": _MAX_EPISODE_STEPS.value,
                "prompt": _PROMPT.value,
                "dry_run": _DRY_RUN.value,
            }
            server = f"server {flags.FLAGS.host}:{flags.FLAGS.port}"
            noted.write(out_dir / "results.json", policy=server, task=_TASK.value, conditions=conditions)
            print(f"written to {out_dir}", flush=True)


if __name__ == "__main__":
    program.run(main, interrupted="ended by Ctrl-C")
