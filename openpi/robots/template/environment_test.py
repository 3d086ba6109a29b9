import dataclasses
import pathlib

import numpy as np
import pytest

from openpi.client import robot_description, robot_observation
from openpi.config import robots
from openpi.robots.driving import simulated
from openpi.robots.template import environment, robot_file
from openpi.runtime import emergency_stop, safety_limits


def _file(description):
    joints = tuple(safety_limits.Joint(name, -10, 10) for name in description.actions)
    return robot_file.RobotFile(
        pathlib.Path("mine.py"),
        safety_limits.Limits(joints, hz=1000, max_age=1),
        tuple(float(number) for number in range(len(joints))),
        home_seconds=0.01,
        open_driver=None,
    )


def _make(description, prompt=None):
    cameras = [source.rpartition("/")[2] for source in environment.camera_sources(description)]
    joints = np.linspace(-1, 1, len(description.actions))
    arm = simulated.SimulatedDriver(joints, dict.fromkeys(cameras, (48, 64)), hz=1)
    stop = emergency_stop.EmergencyStop()
    return environment.DescribedEnvironment(arm, description, _file(description), prompt=prompt, stop=stop)


@pytest.mark.parametrize("robot", [robots.aloha(), robots.ur5("pi0"), robots.droid("pi0", joint_positions=True)])
def test_observations_are_as_described_whatever_the_robot(robot):
    description = robot_description.from_dict(robot.to_dict())
    assert environment.describe({"robot": robot.to_dict()}, _file(description)) == description
    made = _make(description, "do it")
    observation = made.get_observation()
    robot_observation.check_observation(description, observation)
    example = robot_observation.make_example(description, np.random.default_rng(0))
    ignored = [source.rpartition("/")[2] for source in description.ignored_cameras]
    if description.camera_group:
        example[description.camera_group] = {
            name: image for name, image in example[description.camera_group].items() if name not in ignored
        }
    shapes = [{key: np.shape(value) for key, value in each.items()} for each in (example, observation)]
    assert shapes[0] == shapes[1]
    np.testing.assert_allclose(made.measure(observation), np.linspace(-1, 1, len(description.actions)))
    assert observation["prompt"] == "do it"


def test_home_and_actions_reach_the_driver():
    made = _make(robot_description.from_dict(robots.ur5("pi0").to_dict()))
    made.reset()
    np.testing.assert_allclose(made.measure(made.get_observation()), np.arange(7), atol=1e-6)
    made.apply_action({"actions": np.full(7, 0.5)})
    np.testing.assert_allclose(made.measure(made.get_observation()), np.full(7, 0.5), atol=1e-6)
    assert "prompt" not in made.get_observation()
    assert not made.is_episode_complete()


def test_what_the_server_describes_must_be_the_files_robot():
    ur5 = robot_description.from_dict(robots.ur5("pi0").to_dict())
    with pytest.raises(ValueError, match="the server does not describe its robot"):
        environment.describe({}, _file(ur5))
    with pytest.raises(ValueError, match=r"'libero' has a state \(x, .* finger_right\) other than its actions"):
        environment.describe({"robot": robots.libero("pi0").to_dict()}, _file(ur5))
    turned = dataclasses.replace(ur5, actions=ur5.actions[::-1])
    with pytest.raises(
        ValueError, match=r"'ur5' has the actions shoulder_pan.* mine\.py limits gripper, .*in one order"
    ):
        environment.describe({"robot": robots.ur5("pi0").to_dict()}, _file(turned))
