"""Lets a policy act in simulated tasks, closed-loop, and says how often it succeeds.

    bazel run //openpi/evaluate -- --host=127.0.0.1 --port=8000

drives a policy server (//openpi/serve), and

    bazel run //openpi/evaluate -- --checkpoint=checkpoints/aloha_reach/default --baselines

loads the policy itself. Reaching succeeds when the right fingertip stays within 3 cm (2 cm) of a point 4 cm above the cube
during its last half second; starts are drawn apart from those of the demonstrations. With --baselines the same episodes are
also given to the policy before training, to the policy with a black image, and to the replayed mean demonstration.

--parallel=8 plays eight episodes at once. Start and noise of an episode follow from --seed and its number alone. The table
gives success rates with their 95 % Wilson intervals; --against=RESULTS.json compares with an earlier evaluation, episode by
episode. --output_dir gets results.json, results.html (a page that opens without a server), episodes.mp4 and episodes.png; and
results.jsonl, to which each episode is written as it ends: after Ctrl-C or a kill the same command goes on from there.
"""

import contextlib
import dataclasses
import pathlib
import sys
from collections.abc import Sequence
from typing import Any

import tqdm
from absl import flags
from absl import logging as absl_logging

from openpi.checkpoints.assets import compiled_programs
from openpi.config import app, load, schema
from openpi.engine import quantization
from openpi.evaluate import (
    comparison,
    contestant,
    episode,
    journal,
    lineup,
    output,
    report,
    results,
    worker,
)
from openpi.policies import create
from openpi.sims.aloha import environment, tasks

_HOST = flags.DEFINE_string("host", None, "Address of the policy server to drive.")
_PORT = flags.DEFINE_integer("port", 8000, "Port of the policy server.")
_CHECKPOINT = flags.DEFINE_string(
    "checkpoint", None, "Checkpoint (step or run folder) to drive in this process; with --host, for --baselines only."
)
_QUANTIZE = flags.DEFINE_enum(
    "quantize",
    "none",
    quantization.MODES,
    "Weights of 8 bits for the policy in this process, as //openpi/serve has them.",
)
_TASK = flags.DEFINE_enum("task", "reach", [*tasks.TASKS, "all"], "What is to be done.")
_EPISODES = flags.DEFINE_integer("episodes", 100, "Episodes of each policy and task.", lower_bound=1)
_SEED = flags.DEFINE_integer("seed", 0, "Chooses the sequence of starts, and of noises.", lower_bound=0)
_REPLAN_STEPS = flags.DEFINE_integer(
    "replan_steps",
    None,
    "Actions of a chunk that are played before the next is asked for; the configuration's if not given.",
    lower_bound=1,
)
_PARALLEL = flags.DEFINE_integer("parallel", 1, "Simulators at once, each in its own process.", lower_bound=1)
_MAX_BATCH_SIZE = flags.DEFINE_integer(
    "max_batch_size",
    None,
    "With --checkpoint and --parallel: observations that one run of the model answers; if not given, measured: as far as it "
    "gains. A batch rounds otherwise than a single one: 1 gives the same to the last bit whatever --parallel is.",
    lower_bound=1,
    upper_bound=64,
)
_BASELINES = flags.DEFINE_bool(
    "baselines", False, "Also run what a policy must beat; needs --checkpoint and its dataset."
)
_AGAINST = flags.DEFINE_string("against", None, "results.json of another policy, evaluated alike, to compare with.")
_VIDEO_EPISODES = flags.DEFINE_integer("video_episodes", 4, "Episodes of each task that are filmed.", lower_bound=0)
_OUTPUT_DIR = flags.DEFINE_string("output_dir", "evaluation", "Folder for results, page, films and the picture.")
_JSON = flags.DEFINE_string(
    "json", None, "File for the results instead of results.json in --output_dir; .jsonl and .html stand beside it."
)
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Start anew instead of going on with the episodes that are there.")
_CONNECT_TIMEOUT = flags.DEFINE_float("connect_timeout", 30.0, "Seconds to wait for the server.", lower_bound=0.0)

# The tasks that this program knows belong to this configuration, if neither a checkpoint nor --config says otherwise.
_DEFAULT_CONFIG = "experiments/aloha.py"


def main(config: schema.ConfigDict | None) -> int:
    """Runs the episodes and reports them. Returns the exit code."""
    absl_logging.set_verbosity(absl_logging.WARNING)
    compiled_programs.keep()
    if not _HOST.value and not _CHECKPOINT.value:
        raise ValueError("which policy? give --host=ADDRESS of a server, or --checkpoint=DIR")
    if _HOST.value and _QUANTIZE.value != "none":
        raise ValueError(
            f"--quantize={_QUANTIZE.value} is the server's to choose: give it to //openpi/serve, or leave out --host"
        )
    if _BASELINES.value and not _CHECKPOINT.value:
        raise ValueError("--baselines needs --checkpoint=DIR too: the policy before training is made from it")
    if config is None:
        config = create.load_config(_CHECKPOINT.value) if _CHECKPOINT.value else load.load(_DEFAULT_CONFIG)
    replan_steps = _REPLAN_STEPS.value or config.sampling.replan_steps
    if not _HOST.value and replan_steps > config.model.action_horizon:
        raise ValueError(
            f"--replan_steps={replan_steps} is more than the {config.model.action_horizon} actions of a chunk"
        )
    # What can be missing is looked for before minutes of episodes.
    against = results.read(_AGAINST.value) if _AGAINST.value else None
    files = output.Files.beside(pathlib.Path(_JSON.value or pathlib.Path(_OUTPUT_DIR.value) / "results.json"))
    entered = lineup.enter(
        config,
        checkpoint=_CHECKPOINT.value,
        server=_server(),
        quantize=_QUANTIZE.value,
        baselines=_BASELINES.value,
        replan_steps=replan_steps,
        seed=_SEED.value,
        films=files.films,
        num_films=_VIDEO_EPISODES.value,
    )
    conditions = _conditions(entered, replan_steps)
    mine = results.Results(source=str(files.json), conditions=conditions, episodes=[])
    if against is not None:
        comparison.check_starts(mine, against)
    versions = report.versions()
    same = conditions | {f"version of {name}": version for name, version in versions.items()}
    with journal.Journal(files.journal, same, overwrite=_OVERWRITE.value) as kept:
        episodes = _play(entered.contestants, kept, files)
    print(
        f"simulated {', '.join(_tasks())} task, {_EPISODES.value} episodes of seed {_SEED.value}, "
        f"replanning every {replan_steps} steps of {1 / environment.POLICY_HZ:g} s"
    )
    print(report.table(report.rows(episodes)))
    compared = None
    if against is not None:
        compared = comparison.between(dataclasses.replace(mine, episodes=episodes), against)
        print(comparison.table(compared))
    told = {
        "task": " and ".join(f"aloha_{task}" for task in _tasks()),
        "command": sys.argv,
        "versions": versions,
    }
    written = output.write(
        files,
        episodes,
        told=told,
        conditions=conditions
        | {
            "episodes": _EPISODES.value,
            "episode_steps": tasks.TASKS[_TASK.value].episode_steps if _TASK.value in tasks.TASKS else None,
            "parallel": _PARALLEL.value,
        },
        compared=compared,
        pictures=pathlib.Path(_OUTPUT_DIR.value),
        num_films=_VIDEO_EPISODES.value,
    )
    print("wrote " + ", ".join(map(str, written)))
    return 0


def _tasks() -> tuple[str, ...]:
    return tuple(tasks.TASKS) if _TASK.value == "all" else (_TASK.value,)


def _server() -> worker.Server | None:
    if not _HOST.value:
        return None
    return worker.Server(host=_HOST.value, port=_PORT.value, connect_timeout=_CONNECT_TIMEOUT.value)


def _conditions(entered: lineup.Lineup, replan_steps: int) -> dict[str, Any]:
    """What must be the same for the episodes of one file."""
    return entered.facts | {
        "server": f"{_HOST.value}:{_PORT.value}" if _HOST.value else None,
        "split": lineup.SPLIT,
        "seed": _SEED.value,
        "policy_hz": environment.POLICY_HZ,
        "replan_steps": replan_steps,
        "max_batch_size": _MAX_BATCH_SIZE.value,
    }


def _play(
    contestants: Sequence[contestant.Contestant], kept: journal.Journal, files: output.Files
) -> list[episode.Episode]:
    """Plays what is missing, and returns all episodes, in order."""
    wanted = {
        one.plan.policy: [(task, number) for task in _tasks() for number in range(_EPISODES.value)]
        for one in contestants
    }
    keys = [(policy, *which) for policy, each in wanted.items() for which in each]
    there = sum(key in kept.episodes for key in keys)
    if there:
        print(
            f"{there} of {len(keys)} episodes are in {files.journal} already; --overwrite plays them anew", flush=True
        )
    with tqdm.tqdm(total=len(keys), initial=there, unit="episode", disable=None) as bar:
        for one in contestants:
            missing = [which for which in wanted[one.plan.policy] if (one.plan.policy, *which) not in kept.episodes]
            bar.set_description(one.plan.policy)
            try:
                with contextlib.closing(
                    one.play(missing, parallel=_PARALLEL.value, max_batch_size=_MAX_BATCH_SIZE.value)
                ) as played:
                    for done in played:
                        kept.add(done)
                        bar.update()
            except KeyboardInterrupt:
                print(
                    f"{len(kept.episodes)} episodes are kept in {files.journal}; the same command goes on", flush=True
                )
                raise
    return [kept.episodes[key] for key in keys]


if __name__ == "__main__":
    app.define_config()
    app.run(main)
