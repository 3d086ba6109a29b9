import numpy as np
import pytest

from openpi.client import robot_description, robot_observation
from openpi.config import robots
from openpi.robots.driving import simulated
from openpi.robots.ur5 import environment, limits
from openpi.runtime import emergency_stop, pace


class _Noted(simulated.SimulatedDriver):
    def __init__(self):
        super().__init__((*limits.HOME[:5], 0.5, 0.75), {"base": (480, 640), "wrist": (240, 320)}, hz=limits.HZ)
        self.commands = []

    def command(self, targets):
        self.commands.append(targets)
        super().command(targets)


def _make(prompt=None):
    arm, stop = _Noted(), emergency_stop.EmergencyStop()
    return environment.Ur5Environment(arm, prompt=prompt, stop=stop), arm, stop


def test_an_observation_is_as_the_released_configurations_take_it():
    robot, _, _ = _make("pick up the nut")
    observation = robot.get_observation()
    description = robot_description.from_dict(robots.ur5("pi0").to_dict())
    robot_observation.check_observation(description, observation)
    np.testing.assert_array_equal(
        environment.measure(observation), robot_observation.read_state(description, observation)
    )
    assert observation["base_rgb"].shape == observation["wrist_rgb"].shape == (224, 224, 3)
    assert observation["prompt"] == "pick up the nut"
    assert "prompt" not in _make()[0].get_observation()
    assert limits.LIMITS.names == description.actions


def test_it_goes_home_slowly_with_the_gripper_open(monkeypatch):
    monkeypatch.setattr(pace.Pace, "wait", lambda self: None)
    robot, arm, _ = _make()
    robot.reset()
    commands = np.array(arm.commands)
    np.testing.assert_allclose(commands[-1], [*limits.HOME, 0.0])
    assert np.abs(np.diff(commands, axis=0)).max() <= 0.5 / limits.HZ + 1e-9
    robot.apply_action({"actions": np.arange(7) / 10})
    np.testing.assert_array_equal(arm.commands[-1], np.arange(7) / 10)
    assert not robot.is_episode_complete()


def test_a_stopped_arm_does_not_go_home():
    robot, arm, stop = _make()
    stop.trip("key e was pressed")
    with pytest.raises(emergency_stop.Stopped, match="key e"):
        robot.reset()
    assert arm.commands == []
