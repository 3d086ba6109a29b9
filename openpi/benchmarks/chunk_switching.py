"""Ways to play action chunks whose answers come late: what becomes of success and of the seams between chunks.

    bazel run //openpi/benchmarks:chunk_switching -- --checkpoint=checkpoints/aloha_reach/default --plot=chunks.png

Two tasks: a fork, where demonstrations pass an obstacle on either side (their flow is known exactly, nothing is trained), and,
with a checkpoint, the simulated reach task. Answers come late by 0 to 300 ms, counted in steps of 0.1 s: the figures are the same
on every machine. The exit code is 1 when real-time chunking bends more at the seams of the fork, or fails more often there, than
plain switching does.
"""

import statistics
from typing import Any

from absl import flags

from openpi.benchmarks import fork, late_comparison, record
from openpi.cli import program
from openpi.policies import create, policy
from openpi.sims.aloha import tasks as tasks_lib

_CHECKPOINT = flags.DEFINE_string("checkpoint", None, "Checkpoint of the reach task (step or run folder).")
_EPISODES = flags.DEFINE_integer("episodes", 100, "Episodes of each way, delay and task.", lower_bound=1)
_REPLAN_STEPS = flags.DEFINE_integer("replan_steps", 4, "Steps from one request to the next, of 0.1 s.", lower_bound=1)
_SEED = flags.DEFINE_integer("seed", 0, "Chooses the episodes.", lower_bound=0)
_PLOT = flags.DEFINE_string("plot", None, "File for the picture.")
_RECORD = record.Record("chunk_switching", ["jax", "numpy", "mujoco"])

_DELAYS = (0, 1, 2, 3)
_TIMED = 20  # inferences of each kind


def main() -> int:
    """Measures, prints, writes. Returns the exit code."""
    seed = _SEED.value
    compare = lambda make: late_comparison.compare(make, _DELAYS, _REPLAN_STEPS.value, _EPISODES.value)
    tasks = {"fork": compare(lambda: (fork.ForkEnvironment(seed), fork.ForkPolicy(seed)))}
    timing = None
    if _CHECKPOINT.value:
        trained = create.create_policy(None, _CHECKPOINT.value)
        trained.warmup(rtc=True)
        timing = _time(trained)
        # Where the flow starts differs from way to way: the policy's key moves on. The starts of the episodes are the same.
        tasks["reach"] = compare(lambda: (tasks_lib.make("reach", seed=seed), trained))
    for task, rows in tasks.items():
        print(late_comparison.table(task, rows))
    if timing:
        print(", ".join(f"{name} {milliseconds:.1f} ms" for name, milliseconds in timing.items()))
    met = _met(tasks["fork"])
    conditions = {"episodes": _EPISODES.value, "replan_steps": _REPLAN_STEPS.value, "seed": seed}
    figures = {"conditions": conditions, "tasks": tasks, "infer_ms": timing, "met": met}
    _RECORD.write(figures, unsaid=["checkpoint", "plot"])
    if _PLOT.value:
        late_comparison.draw(_PLOT.value, tasks)
    return 0 if met else 1


def _met(rows: list[dict[str, Any]]) -> bool:
    """Whether real-time chunking is at least as good as switching, for each delay."""
    found = {(row["way"], row["delay_ms"]): row for row in rows}
    pairs = [(row, found["real-time chunking", delay]) for (way, delay), row in found.items() if way == "switching"]
    return all(
        led["success"] >= plain["success"] and led["bends"]["ratio"] <= plain["bends"]["ratio"] for plain, led in pairs
    )


def _time(trained: policy.Policy) -> dict[str, float]:
    """Median milliseconds of an inference by itself, and led by either method (which compiles first)."""
    task = tasks_lib.make("reach", seed=0)
    task.reset()
    observation = task.get_observation()
    remainder = trained.infer(observation)["actions"][_REPLAN_STEPS.value :]
    rtc = {"remainder": remainder, "delay": 1, "horizon": _REPLAN_STEPS.value}
    asked = {
        "free": observation,
        "led, full": {**observation, "openpi": {"rtc": rtc}},
        "led, identity": {**observation, "openpi": {"rtc": {**rtc, "method": "identity"}}},
    }
    took = {}
    for name, obs in asked.items():
        trained.infer(obs)
        took[name] = statistics.median(trained.infer(obs)["policy_timing"]["infer_ms"] for _ in range(_TIMED))
    task.close()
    return took


if __name__ == "__main__":
    program.run(lambda _: main())
