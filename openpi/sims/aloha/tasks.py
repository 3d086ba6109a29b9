"""The tasks by name: reach, pick, transfer, of rising difficulty."""

from openpi.sims.aloha import environment, pick, reach, transfer

TASKS = {task.name: task for task in (reach.TASK, pick.TASK, transfer.TASK)}


def make(
    name: str, *, seed: int = 0, split: str = "test", height: int = 224, width: int = 224, render: bool = True
) -> environment.AlohaEnvironment:
    """The environment of a task; see `AlohaEnvironment`. The same episodes of all tasks start the same.

    Raises:
        ValueError: there is no such task or split.
    """
    if name not in TASKS:
        raise ValueError(f"task {name!r} is none of {sorted(TASKS)}")
    return environment.AlohaEnvironment(TASKS[name], seed=seed, split=split, height=height, width=width, render=render)
