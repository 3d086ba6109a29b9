import pathlib

import numpy as np

from openpi.data.lerobot import reader, recording
from openpi.datasets import episode_sheet, rollout_recorder, summary
from openpi.runtime import agent, environment, runtime, takeover_agent
from openpi.testing import readme


class _Line(environment.Environment):
    """A point on a line, at its goal at 3."""

    def reset(self):
        self.position = 0

    def is_episode_complete(self):
        return self.position >= 3

    def get_observation(self):
        return {"state": np.array([self.position], np.float32), "prompt": "go"}

    def apply_action(self, action):
        self.position += int(action["actions"][0])


class _Go(agent.Agent):
    def get_action(self, observation):
        return {"actions": np.ones(1)}

    def reset(self):
        pass


def test_examples(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    recording.record(pathlib.Path("my_dataset"))
    modules = [reader, episode_sheet, rollout_recorder, runtime, summary, takeover_agent]
    made = readme.run("openpi/datasets/README.md", modules)
    assert "2         9       reach the cube" in capsys.readouterr().out
    assert pathlib.Path("episode.png").stat().st_size > 10_000

    line = _Line()
    made["record"](line, _Go(), _Go(), lambda: line.position == 1, lambda: True)
    dataset = reader.LeRobotDataset("corrections")
    assert dataset.info.total_episodes == 10
    assert [bool(dataset[row]["intervention"]) for row in range(4)] == [False, True, False, False]
    assert dataset[2]["next.success"]
