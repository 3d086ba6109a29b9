import numpy as np

from openpi.benchmarks import judged_tasks
from openpi.client import base_policy
from openpi.sims.aloha import tasks


class _Expert(base_policy.BasePolicy):
    """Chunks of the scripted expert's actions, in every second episode; else it stays."""

    def __init__(self, environment):
        self._environment = environment
        self._episode = -1

    def reset(self):
        self._episode += 1
        self._targets = self._environment.scene.joints()

    def infer(self, obs):
        if self._episode % 2 == 0:
            self._targets = self._environment.task.expert(self._environment.scene, self._targets)
        return {"actions": np.stack([self._targets] * 2)}


def test_successes_are_counted_by_episode():
    environment = tasks.make("pick", seed=2, render=False)
    found = judged_tasks.judge(_Expert(environment), environment, episodes=4, replan_steps=1)
    assert found == {"task": "pick", "episodes": 4, "succeeded": [0, 2]}


def test_rows_found_now_replace_those_of_the_same_training_and_task():
    row = lambda config, task, episodes: {"config": config, "task": task, "episodes": episodes}
    merged = judged_tasks.merge(
        [row("b", "pick", 1), row("a", "reach", 1)], [row("a", "reach", 2), row("a", "pick", 3)]
    )
    assert merged == [row("a", "pick", 3), row("a", "reach", 2), row("b", "pick", 1)]
