"""The program as a user starts it, with a policy that is really served and stands still."""

import numpy as np
import pytest

from openpi.client import base_policy
from openpi.data.lerobot import reader
from openpi.server import served
from openpi.sims.aloha import tasks
from openpi.testing import program


class _Stand(base_policy.BasePolicy):
    """Chunks of the state that was asked about."""

    def __init__(self):
        self.asked = []

    def infer(self, obs):
        self.asked.append(obs)
        return {"actions": np.tile(obs["state"], (10, 1))}


def _record(tmp_path, port, *flags):
    return program.run("openpi/datasets:record_rollouts", "made", f"--port={port}", *flags, cwd=tmp_path)


def test_the_expert_corrects_and_a_dataset_grows(tmp_path):
    policy = _Stand()
    with served.serve(policy) as server:
        done = _record(tmp_path, server.port, "--num_episodes=2", "--expert_from=12", "--seed=3")
        assert (done.returncode, done.stdout) == (0, "2 episodes recorded into made, after 0\n"), done.stderr
        assert len(policy.asked) == 2 * 2  # at 0 and 10; then the expert has the control
        done = _record(tmp_path, server.port, "--num_episodes=1", "--seed=3")
        assert (done.returncode, done.stdout) == (0, "1 episodes recorded into made, after 2\n"), done.stderr
        done = _record(tmp_path, server.port, "--num_episodes=1", "--only_successes")
        assert (done.returncode, done.stdout) == (0, "0 episodes recorded into made, after 3\n"), done.stderr
    dataset = reader.LeRobotDataset(tmp_path / "made", check_videos=True)
    length = tasks.TASKS["reach"].episode_steps
    assert len(dataset) == 3 * length
    rows = [dataset[row] for row in range(len(dataset))]
    marks = np.array([row["intervention"] for row in rows]).reshape(3, length)
    assert not marks[:, :12].any() and marks[:2, 12:].all() and not marks[2].any()
    assert [bool(rows[length * (episode + 1) - 1]["next.success"]) for episode in range(3)] == [True, True, False]
    # The third start is the sequence's third.
    task = tasks.make("reach", seed=3, split="train", render=False)
    for episode in range(3):
        task.reset(episode=episode)
        np.testing.assert_array_equal(rows[length * episode]["observation.state"], task.get_observation()["state"])


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, "give DATASET"),
        (("made", "--task=fold"), 2, "task"),
        (("made", "--port=1", "--connect_timeout=0"), 1, "1"),
    ],
)
def test_errors_are_one_line(tmp_path, arguments, code, message):
    done = program.run("openpi/datasets:record_rollouts", *arguments, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("record_rollouts: error: ")]
    assert message in line
    assert not (tmp_path / "made").exists()
