"""Makes the table of the simulated tasks: trains the small models on each task and on all, and counts their successes.

    bazel run //openpi/benchmarks:aloha_tasks -- --json=openpi/benchmarks/results/aloha_tasks.json
    bazel run //tools:readme

Twelve trainings, minutes to an hour each on a CPU; --config picks some (aloha_tasks,aloha_pick_fast), whose rows replace those
of the file, and the others stay. A checkpoint that stands in --runs is judged as it is, an unfinished training goes on.
"""

import contextlib
import itertools
import json
import pathlib
import subprocess
import time
from typing import Any

from absl import flags

from openpi.benchmarks import judged_tasks, record
from openpi.checkpoints import layout
from openpi.cli import program
from openpi.config import load, table
from openpi.policies import create
from openpi.sims.aloha import tasks
from openpi.testing import program as started

_TRAININGS = tuple(
    f"aloha_{task}{model}" for task, model in itertools.product((*tasks.TASKS, "tasks"), ("", "_pi05", "_fast"))
)
_CONFIGS = flags.DEFINE_list("config", list(_TRAININGS), "Configurations to train and judge, of the twelve.")
_RUNS = flags.DEFINE_string("runs", "checkpoints", "Folder of the training runs.")
_TRAIN_STEPS = flags.DEFINE_integer(
    "train_steps", None, "Training steps; the configuration's if not given. The first 100 warm up.", lower_bound=1
)
_EPISODES = flags.DEFINE_integer("episodes", 100, "Unseen episodes of each task.", lower_bound=1)
_SEED = flags.DEFINE_integer("seed", 0, "Chooses the episodes.", lower_bound=0)
_RECORD = record.Record("aloha_tasks", ("jax", "flax", "numpy", "mujoco", "gym-aloha"))


def main(_: list[str]) -> int:
    """Trains, judges, prints, writes after each training."""
    unknown = sorted(set(_CONFIGS.value) - set(_TRAININGS))
    if unknown:
        raise ValueError(f"--config={unknown[0]} is none of {', '.join(_TRAININGS)}")
    rows = _known_rows()
    for name in _CONFIGS.value:
        rows = judged_tasks.merge(rows, _train_and_judge(name))
        _RECORD.write({"conditions": {"split": "test", "seed": _SEED.value}, "rows": rows}, unsaid=("runs",))
    return 0


def _known_rows() -> list[dict[str, Any]]:
    path = pathlib.Path(flags.FLAGS.json or "")
    return json.loads(path.read_text(encoding="utf-8"))["rows"] if path.is_file() else []


def _train_and_judge(name: str) -> list[dict[str, Any]]:
    config = load.load(table.config_path(name))
    run = pathlib.Path(_RUNS.value) / name / "default"
    seconds = _train(name, run, _TRAIN_STEPS.value or config.num_train_steps)
    step_dir = layout.find_step_dir(run)
    policy = create.create_policy(None, step_dir)
    policy.warmup()
    known = {"config": name, "train_steps": int(step_dir.name) + 1, "train_seconds": seconds}
    rows = []
    for task in tasks.TASKS if name.startswith("aloha_tasks") else (name.split("_")[1],):
        with contextlib.closing(tasks.make(task, seed=_SEED.value, split="test")) as environment:
            found = judged_tasks.judge(
                policy, environment, episodes=_EPISODES.value, replan_steps=config.sampling.replan_steps
            )
        print(f"{name}, {task}: {len(found['succeeded'])} of {found['episodes']}", flush=True)
        rows.append(known | found | {"replan_steps": config.sampling.replan_steps})
    return rows


def _train(name: str, run: pathlib.Path, steps: int) -> float | None:
    """Seconds of a training up to `steps`; None if it had been begun, or done, before."""
    done = layout.complete_steps(run)
    if done and done[-1] >= steps - 1:
        return None
    begin = time.monotonic()
    flags_given = [
        f"--config=experiments/aloha.py:{name}",
        f"--config.checkpoint_base_dir={run.parent.parent.absolute()}",
        f"--config.num_train_steps={steps}",
        f"--config.lr_schedule.decay_steps={steps}",
        *(["--config.resume"] if done else []),
    ]
    ended = subprocess.run([*started.command("openpi/train"), *flags_given], env=started.environment(), check=False)
    if ended.returncode:
        raise RuntimeError(f"the training of {name} ended with exit code {ended.returncode}; it said why above")
    return None if done else time.monotonic() - begin


if __name__ == "__main__":
    program.run(main)
