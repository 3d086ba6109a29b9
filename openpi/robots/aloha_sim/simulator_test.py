import sys

import numpy as np
import pytest

from openpi.client import image_tools, robot_description, robot_observation
from openpi.config import robots
from openpi.robots.aloha_sim import simulator
from openpi.runtime import gym_environment


@pytest.fixture(scope="module")
def real():
    """gym-aloha itself, its three cameras rendered."""
    environment = gym_environment.GymEnvironment(simulator.make(), observe=lambda observation: observation, seed=0)
    yield environment
    environment.close()


def _leaves(tree, path=""):
    if isinstance(tree, dict):
        return {key: leaf for name in tree for key, leaf in _leaves(tree[name], f"{path}/{name}").items()}
    return {path: (np.shape(tree), np.asarray(tree).dtype)}


def test_the_stand_in_has_the_simulators_interface(real):
    real.reset(seed=4)
    stand_in = gym_environment.GymEnvironment(simulator.StandIn(), observe=lambda observation: observation)
    stand_in.reset(seed=4)
    assert _leaves(stand_in.get_observation()) == _leaves(real.get_observation())
    for environment in (real, stand_in):
        environment.apply_action({"actions": environment.get_observation()["agent_pos"]})
        assert environment.outcome.success is False
        assert environment.outcome.max_reward == 0
        assert not environment.is_episode_complete()


def test_the_simulation_is_repeatable_and_moves(real):
    starts = []
    for seed in (7, 8, 7):
        real.reset(seed=seed)
        starts.append(real.get_observation())
    np.testing.assert_array_equal(starts[0]["pixels"]["top"], starts[2]["pixels"]["top"])
    assert np.any(starts[0]["pixels"]["top"] != starts[1]["pixels"]["top"])  # the cube lies elsewhere
    target = starts[0]["agent_pos"].copy()
    target[0] += 0.3
    for _ in range(3):
        real.apply_action({"actions": target})
    assert 0.02 < real.get_observation()["agent_pos"][0] - starts[0]["agent_pos"][0] < 0.4


def test_what_the_policy_sees_is_what_its_robot_gives():
    environment = gym_environment.GymEnvironment(
        simulator.StandIn(), observe=simulator.observe, prompt="transfer the cube"
    )
    environment.reset(seed=1)
    seen = environment.get_observation()
    image = seen["images"]["cam_high"]
    assert (image.shape, image.dtype, seen["state"].shape) == ((3, 224, 224), np.uint8, (14,))
    assert (
        not image[:, :28].any() and not image[:, -28:].any() and image[:2, 40:-40, 20:].all()
    )  # 168 rows in the middle
    robot = robot_description.from_dict(robots.aloha().to_dict())
    robot_observation.check_observation(robot, seen)
    assert robot.actions == simulator.JOINTS
    np.testing.assert_array_equal(simulator.picture(seen), image.transpose(1, 2, 0))
    top = np.random.default_rng(0).integers(256, size=(480, 640, 3), dtype=np.uint8)
    resized = simulator.observe({"pixels": {"top": top}, "agent_pos": np.zeros(14)})["images"]["cam_high"]
    np.testing.assert_array_equal(resized, image_tools.resize_with_pad(top, 224, 224).transpose(2, 0, 1))


def test_without_gym_aloha_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "gym_aloha", None)  # importing it now fails
    with pytest.raises(
        RuntimeError, match="needs gym-aloha .*: pip install -r openpi/robots/aloha_sim/requirements.txt"
    ):
        simulator.make()
