import json

from openpi.policies import tiny_checkpoint
from openpi.testing import program

_OTHER = {"config": "aloha_transfer_fast", "task": "transfer", "episodes": 3, "succeeded": [1]}


def test_a_trained_policy_is_judged_and_other_rows_stay(tmp_path):
    tiny_checkpoint.write(tmp_path / "runs/aloha_pick/default")
    (tmp_path / "tasks.json").write_text(json.dumps({"rows": [_OTHER]}))
    flags = ["--config=aloha_pick", "--train_steps=8", "--runs=runs", "--episodes=1", "--json=tasks.json"]
    ended = program.run("openpi/benchmarks:aloha_tasks", *flags, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == "aloha_pick, pick: 0 of 1\n"
    result = json.loads((tmp_path / "tasks.json").read_text())
    assert result["conditions"] == {"split": "test", "seed": 0} and result["versions"]["mujoco"]
    judged, other = result["rows"]
    assert other == _OTHER
    assert judged == {
        "config": "aloha_pick",
        "task": "pick",
        "train_steps": 8,
        "train_seconds": None,  # it was trained before
        "episodes": 1,
        "succeeded": [],
        "replan_steps": 10,
    }


def test_an_unknown_configuration_is_one_line(tmp_path):
    ended = program.run("openpi/benchmarks:aloha_tasks", "--config=aloha_fold", cwd=tmp_path)
    assert ended.returncode == 1
    assert "--config=aloha_fold is none of aloha_reach, aloha_reach_pi05" in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1
