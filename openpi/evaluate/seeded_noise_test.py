import numpy as np

from openpi.client import base_policy
from openpi.evaluate import seeded_noise


class _Echo(base_policy.BasePolicy):
    resets = 0

    def infer(self, obs):
        return obs

    def reset(self):
        self.resets += 1


def _noises(count, *, seed=1, task="reach", episode=2):
    policy = seeded_noise.SeededNoise(_Echo(), [3, 4], seed=seed, task=task, episode=episode)
    return [policy.infer({"state": 1})["openpi"]["noise"] for _ in range(count)]


def test_noise_follows_from_seed_task_episode_and_request():
    first, second = _noises(2)
    assert first.shape == (3, 4)
    assert first.dtype == np.float32
    assert not np.array_equal(first, second)
    for again, before in zip(_noises(2), (first, second), strict=True):
        np.testing.assert_array_equal(again, before)
    for other in ({"seed": 2}, {"task": "pick"}, {"episode": 3}):
        assert not np.array_equal(_noises(1, **other)[0], first)


def test_noise_is_of_the_normal_distribution():
    drawn = np.concatenate([_noises(1, episode=episode)[0].ravel() for episode in range(300)])
    assert abs(drawn.mean()) < 0.1
    assert abs(drawn.std() - 1) < 0.05


def test_the_rest_of_a_request_stays():
    echo = _Echo()
    policy = seeded_noise.SeededNoise(echo, [1, 1], seed=0, task="reach", episode=0)
    observation = {"state": 1, "openpi": {"num_steps": 3}}
    sent = policy.infer(observation)
    assert sent["state"] == 1
    assert sent["openpi"].keys() == {"num_steps", "noise"}
    assert observation == {"state": 1, "openpi": {"num_steps": 3}}
    policy.reset()
    assert echo.resets == 1
