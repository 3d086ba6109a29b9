import numpy as np

from openpi.client import base_policy
from openpi.data.lerobot import writer
from openpi.evaluate import baselines


class _Echo(base_policy.BasePolicy):
    resets = 0

    def infer(self, obs):
        return obs

    def reset(self):
        self.resets += 1


def test_black_images_and_nothing_else_is_changed():
    inner = _Echo()
    blind = baselines.BlackImagePolicy(inner)
    observation = {"images": {"cam_high": np.full((3, 4, 5), 9, np.uint8)}, "state": np.arange(14), "prompt": "reach"}
    seen = blind.infer(observation)
    assert seen["images"]["cam_high"].shape == (3, 4, 5)
    assert seen["images"]["cam_high"].dtype == np.uint8
    assert not seen["images"]["cam_high"].any()
    np.testing.assert_array_equal(seen["state"], observation["state"])
    assert seen["prompt"] == "reach"
    assert observation["images"]["cam_high"].all()
    blind.reset()
    assert inner.resets == 1


def test_replay_starts_anew_and_holds_the_last_action():
    replay = baselines.ReplayPolicy(np.array([[1.0], [2.0]]))
    for _ in range(2):
        replay.reset()
        assert [replay.infer({})["actions"][0] for _ in range(4)] == [1, 2, 2, 2]


def test_mean_demonstration_of_a_dataset_with_episodes_of_unequal_length(tmp_path):
    features = {"action": {"dtype": "float32", "shape": (2,), "names": ["a", "b"]}}
    lengths, rng = (3, 5), np.random.default_rng(0)
    episodes = [rng.normal(size=(length, 2)).astype(np.float32) for length in lengths]
    with writer.LeRobotWriter(tmp_path / "data", 10, features, robot_type="aloha") as dataset:
        for episode in episodes:
            for action in episode:
                dataset.add_frame({"action": action})
            dataset.save_episode("reach")
    mean = baselines.mean_demonstration(tmp_path / "data")
    np.testing.assert_allclose(mean[:3], (episodes[0] + episodes[1][:3]) / 2, rtol=1e-6)
    np.testing.assert_allclose(mean[3:], episodes[1][3:], rtol=1e-6)
