import numpy as np

from openpi.client import base_policy
from openpi.evaluate import rollout
from openpi.runtime import subscriber
from openpi.sims.aloha import tasks


class _Expert(base_policy.BasePolicy):
    """The scripted expert, which sees the scene itself."""

    def __init__(self, environment):
        self._environment = environment

    def reset(self):
        self._targets = self._environment.scene.joints()

    def infer(self, obs):
        self._targets = self._environment.task.expert(self._environment.scene, self._targets)
        return {"actions": self._targets}


class _Stand(base_policy.BasePolicy):
    def infer(self, obs):
        return {"actions": obs["state"]}


class _Explode(base_policy.BasePolicy):
    """Stands, and in every second episode sends nonsense at step 3."""

    episode = -1

    def reset(self):
        self.episode += 1
        self.step = 0

    def infer(self, obs):
        self.step += 1
        return {"actions": np.full(14, np.nan) if self.episode % 2 and self.step == 3 else obs["state"]}


class _Count(subscriber.Subscriber):
    def __init__(self):
        self.calls = []

    def on_episode_start(self):
        self.calls.append("start")

    def on_step(self, observation, action):
        self.calls.append("step")

    def on_episode_end(self):
        self.calls.append("end")


def test_the_expert_succeeds_and_who_stands_still_does_not():
    environment = tasks.make("reach", render=False)
    episodes = rollout.run("expert", _Expert(environment), environment, num_episodes=3)
    assert [episode.index for episode in episodes] == [0, 1, 2]
    assert all(episode.complete and episode.steps == environment.task.episode_steps for episode in episodes)
    assert all(episode.success(0.03) and episode.distance < 0.03 for episode in episodes)

    still = rollout.run("stand", _Stand(), tasks.make("reach", render=False), num_episodes=3)
    assert all(episode.complete and not episode.success(0.03) and episode.distance > 0.05 for episode in still)


def test_the_same_seed_gives_the_same_episodes():
    def distances(seed):
        environment = tasks.make("reach", seed=seed, render=False)
        return [episode.distance for episode in rollout.run("stand", _Stand(), environment, num_episodes=2)]

    assert distances(0) == distances(0)
    assert set(distances(0)).isdisjoint(distances(1))


def test_broken_physics_is_a_failure_and_the_next_episode_goes_on():
    count = _Count()
    environment = tasks.make("reach", render=False)
    episodes = rollout.run("explode", _Explode(), environment, num_episodes=3, watchers=[count])
    assert [episode.complete for episode in episodes] == [True, False, True]
    assert [episode.steps for episode in episodes] == [25, 3, 25]
    assert episodes[1].distance == float("inf")
    assert not episodes[1].success(10.0)
    assert count.calls.count("step") == 53
    assert count.calls.count("end") == 3
