"""The README's example runs, and its table says what the tasks are."""

import pathlib

from openpi.data.lerobot import reader
from openpi.sims.aloha import record, tasks
from openpi.testing import readme

_README = "openpi/sims/README.md"


def test_the_example_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = readme.run(_README, [record, tasks])
    assert made["environment"].distance() < tasks.TASKS["pick"].tolerance
    dataset = reader.LeRobotDataset(pathlib.Path("cubes"))
    assert len(dataset) == sum(task.demonstration_steps for task in tasks.TASKS.values())


def test_the_table_has_every_task():
    lines = (pathlib.Path(__file__).parent / "README.md").read_text(encoding="utf-8").splitlines()
    for name, task in tasks.TASKS.items():
        (row,) = (line for line in lines if line.startswith(f"| `{name}` |"))
        assert f'"{task.prompts[0]}"' in row and row.endswith(f"| {task.episode_steps} |")
