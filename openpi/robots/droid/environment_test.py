import numpy as np
import pytest

from openpi.client import robot_description, robot_observation
from openpi.config import robots
from openpi.robots.droid import environment, limits, simulated
from openpi.runtime import emergency_stop, safe_environment


class _Noted(simulated.SimulatedDroid):
    def __init__(self):
        super().__init__()
        self.commands, self.homes = [], 0

    def command(self, targets):
        self.commands.append(targets)
        super().command(targets)

    def home(self):
        self.homes += 1
        super().home()


def _make(camera="left"):
    arm = _Noted()
    return environment.DroidEnvironment(arm, external_camera=camera), arm


def test_an_observation_is_as_the_released_policies_take_it():
    robot, _ = _make()
    robot.prompt = "put the pen in the cup"
    observation = robot.get_observation()
    description = robot_description.from_dict(robots.droid("pi05").to_dict())
    robot_observation.check_observation(description, observation)
    np.testing.assert_array_equal(
        environment.measure(observation), robot_observation.read_state(description, observation)
    )
    assert observation["prompt"] == "put the pen in the cup"
    assert limits.LIMITS.names == description.actions


def test_the_external_camera_is_the_chosen_one():
    seen = [_make(side)[0].get_observation()["observation/exterior_image_1_left"] for side in environment.SIDES]
    assert [image.shape for image in seen] == [(224, 224, 3)] * 2
    assert (seen[0] != seen[1]).any()


@pytest.mark.parametrize(("gripper", "sent"), [(0.5, 0.0), (0.51, 1.0), (-0.2, 0.0), (1.7, 1.0)])
def test_velocities_are_clipped_and_the_gripper_opens_or_closes(gripper, sent):
    robot, arm = _make()
    robot.apply_action({"actions": np.array([0.3, -0.2, 5, -5, 0, 1, -1, gripper])})
    np.testing.assert_array_equal(arm.commands, [[0.3, -0.2, 1, -1, 0, 1, -1, sent]])


def test_it_goes_home_once_between_rollouts():
    robot, arm = _make()
    robot.reset()
    robot.reset()
    assert arm.homes == 1
    robot.apply_action({"actions": np.zeros(8)})
    robot.reset()
    assert arm.homes == 2


def test_velocities_stay_within_the_arms_ranges_and_speeds():
    robot, arm = _make()
    guarded = safe_environment.SafeEnvironment(
        robot, limits.LIMITS, measure=environment.measure, stop=emergency_stop.EmergencyStop()
    )
    guarded.reset()
    for _ in range(60):
        guarded.get_observation()
        guarded.apply_action({"actions": np.array([0, 0, 0, 0, 0, 1.0, 1.0, 0])})
    assert np.abs(arm.commands).max() <= 2.61 / 15 / 0.2 + 1e-9
    np.testing.assert_allclose(arm.read().joints[5:7], [3.7525, 2.8973], atol=0.01)
    assert guarded.interventions[("joint_6", "position")] > 0
    assert guarded.interventions[("joint_7", "speed")] > 0
