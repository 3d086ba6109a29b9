"""The ways to play chunks, side by side: success, duration and seams for answers that come late by so many steps."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib.figure
import numpy as np

from openpi.benchmarks import late_answers, seams
from openpi.client import base_policy

STEP_MS = 100  # of both tasks


def compare(
    make: Callable[[], tuple[late_answers.Task, base_policy.BasePolicy]],
    delays: Sequence[int],
    replan_steps: int,
    episodes: int,
) -> list[dict[str, Any]]:
    """A row for each delay and way.

    Args:
      make: the task, at its first episode, and the policy, in its first state: the same for each row.
      delays: steps by which answers come late.
      replan_steps: steps from one request to the next (synchronous: actions that are played of a chunk).
      episodes: of each row.
    """
    rows = []
    for delay in delays:
        for name, way in late_answers.WAYS.items():
            task, policy = make()
            world = late_answers.World(task, delay)
            player = way(policy, world, replan_steps)
            traces, successes, steps = [], 0, []
            for _ in range(episodes):
                traces.append(world.play(player))
                if task.success():
                    successes += 1
                    steps.append(len(traces[-1].actions))
            task.close()
            rows.append(
                {
                    "delay_ms": delay * STEP_MS,
                    "way": name,
                    "success": successes / episodes,
                    "steps_of_successes": float(np.mean(steps)) if steps else None,
                    **seams.measure(traces),
                }
            )
    return rows


def table(task: str, rows: Sequence[dict[str, Any]]) -> str:
    """The rows as text."""
    lines = [f"{task:<20} {'delay':>7} {'success':>8} {'steps':>6} {'jump':>7} {'bend':>7} {'departure':>10}"]
    for row in rows:
        numbers = [
            row["steps_of_successes"],
            row["jumps"]["ratio"],
            row["bends"]["ratio"],
            row["departures"]["mean"],
        ]
        steps, jump, bend, departure = ("-" if number is None else f"{number:.3g}" for number in numbers)
        line = f"{row['way']:<20} {row['delay_ms']:>4} ms {row['success']:>7.0%} {steps:>6} {jump:>7} {bend:>7} {departure:>10}"
        lines.append(line)
    return "\n".join(lines)


def draw(path: str, tasks: Mapping[str, Sequence[dict[str, Any]]]) -> None:
    """Draws success and seams over the delay as a PNG: a row of axes a task, a line a way."""
    figure = matplotlib.figure.Figure(figsize=(12, 2.8 * len(tasks)), layout="constrained")
    grid = figure.subplots(len(tasks), 4, squeeze=False)
    for axes, (task, rows) in zip(grid, tasks.items(), strict=True):
        for name in late_answers.WAYS:
            mine = [row for row in rows if row["way"] == name]
            delays = [row["delay_ms"] for row in mine]
            look = {"marker": "o", "markersize": 4, "label": name}
            axes[0].plot(delays, [100 * row["success"] for row in mine], **look)
            axes[1].plot(delays, [row["jumps"]["ratio"] for row in mine], **look)
            axes[2].plot(delays, [row["bends"]["ratio"] for row in mine], **look)
            departures = [row["departures"]["mean"] for row in mine]
            axes[3].plot(delays, [np.nan if value is None else value for value in departures], **look)
        axes[0].set(title=f"{task}: success, %", ylim=(0, 105))
        axes[1].set(title="jump: at seams / inside", ylim=(0, None))
        axes[2].set(title="bend: at seams / inside", ylim=(0, None))
        axes[3].set(title="departure from old chunk", ylim=(0, None))
        for each in axes:
            each.set_xlabel("delay, ms")
            each.grid(alpha=0.3)
    grid[0, 0].legend(fontsize=7, loc="lower left")
    figure.savefig(path, dpi=80, format="png")
