"""Runs the LIBERO benchmark with a policy server.

    bazel run //openpi/serve -- --env=LIBERO
    bazel run //openpi/robots/libero -- --simulator_python=LIBERO_VENV/bin/python --suites=libero_spatial,libero_10

As published: every task from 50 of LIBERO's own starts, 10 steps in which things settle, images turned by half a turn and in 224
pixels, 5 actions of each chunk, an episode's length by its suite. LIBERO runs in a Python of its own
(openpi/robots/libero/requirements.txt). Results are written after every episode: started again, the program plays what is missing.
--dry_run needs no simulator: a stand-in shows that server and program agree.
"""

from __future__ import annotations

import contextlib
import pathlib

from absl import flags

from openpi.cli import program
from openpi.client import action_chunk_broker, base_policy
from openpi.robots.driving import first_answer, server_flags
from openpi.robots.libero import environment, remote, results, stand_in, suites, watcher
from openpi.runtime import policy_agent, runtime

_SUITES = flags.DEFINE_list("suites", ["libero_spatial"], f"Suites to run, of: {', '.join(suites.MAX_STEPS)}.")
_TASKS = flags.DEFINE_list("tasks", [], "Numbers of the tasks to run, e.g. 0,3; all if not given.")
_NUM_TRIALS = flags.DEFINE_integer(
    "num_trials_per_task", suites.NUM_TRIALS, "Episodes of each task.", lower_bound=1, upper_bound=suites.NUM_TRIALS
)
_REPLAN_STEPS = flags.DEFINE_integer(
    "replan_steps",
    suites.REPLAN_STEPS,
    "Actions of a chunk that are played before the next is asked for.",
    lower_bound=1,
)
_SEED = flags.DEFINE_integer("seed", suites.SEED, "Of the simulator.", lower_bound=0)
_POLICY = flags.DEFINE_string("policy", "served policy", "What to call the policy in the results.")
_PYTHON = flags.DEFINE_string("simulator_python", None, "Python of an environment in which LIBERO is installed.")
_PATH = flags.DEFINE_list("simulator_path", [], "Folders that this Python imports from besides, as LIBERO's clone.")
_OUTPUT_DIR = flags.DEFINE_string("output_dir", "data/libero", "Folder for results.json, and videos/.")
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Begin results.json anew.")
_VIDEOS = flags.DEFINE_bool("videos", True, "Film every episode.")
_DRY_RUN = flags.DEFINE_bool("dry_run", False, "Needs no simulator: a hand without a world, two tasks a suite.")


def main(_: list[str]) -> None:
    folder = pathlib.Path(_OUTPUT_DIR.value)
    conditions = {"seed": _SEED.value, "replan_steps": _REPLAN_STEPS.value, "dry_run": _DRY_RUN.value}
    kept = results.Results(
        folder / "results.json", policy=_POLICY.value, conditions=conditions, overwrite=_OVERWRITE.value
    )
    with server_flags.connect() as policy:
        metadata = policy.get_server_metadata()
        try:
            for number, suite in enumerate(_SUITES.value):
                with contextlib.ExitStack() as stack:
                    simulator: environment.Simulator = stand_in.StandIn()
                    if not _DRY_RUN.value:
                        simulator = stack.enter_context(
                            remote.RemoteSimulator(suite, python=_PYTHON.value, path=_PATH.value, seed=_SEED.value)
                        )
                    if number == 0:
                        first_answer.check(
                            policy,
                            metadata,
                            {**environment.observe(simulator.begin(0, 0)), "prompt": simulator.tasks[0]},
                            names=suites.ACTIONS,
                            action_horizon=_REPLAN_STEPS.value,
                        )
                    _play(suite, simulator, policy, kept, folder)
        finally:
            print(kept.table())
            print(f"written to {folder}", flush=True)


def _play(
    suite: str,
    simulator: environment.Simulator,
    policy: base_policy.BasePolicy,
    kept: results.Results,
    folder: pathlib.Path,
) -> None:
    """Plays the suite's episodes that `kept` has not."""
    tasks = [int(task) for task in _TASKS.value] or range(len(simulator.tasks))
    if max(tasks) >= len(simulator.tasks):
        raise ValueError(f"--tasks={max(tasks)}: {suite} has tasks 0 to {len(simulator.tasks) - 1}")
    episodes = [
        (task, trial) for task in tasks for trial in range(_NUM_TRIALS.value) if not kept.has(suite, task, trial)
    ]
    played = environment.LiberoEnvironment(simulator, suite, episodes)
    videos = folder / "videos" if _VIDEOS.value else None
    watching = watcher.Watcher(suite, played, simulator.tasks, kept, videos)
    broker = action_chunk_broker.ActionChunkBroker(policy, _REPLAN_STEPS.value)
    runtime.Runtime(played, policy_agent.PolicyAgent(broker), [watching], num_episodes=len(episodes)).run()


def _check() -> None:
    for suite in _SUITES.value:
        if suite not in suites.MAX_STEPS:
            raise ValueError(f"--suites: {suite!r} is none of {', '.join(suites.MAX_STEPS)}")
    if not _SUITES.value:
        raise ValueError(f"--suites is empty: give some of {', '.join(suites.MAX_STEPS)}")
    if bad := [task for task in _TASKS.value if not task.isdecimal()]:
        raise ValueError(f"--tasks: {bad[0]!r} is no number")
    if not _DRY_RUN.value and not _PYTHON.value:
        raise ValueError("give --simulator_python=PYTHON of an environment with LIBERO, or try --dry_run")


if __name__ == "__main__":
    program.run(main, check=_check, interrupted="ended by Ctrl-C; started again, the program plays what is missing")
