import numpy as np
import pytest

from openpi.client import robot_description, robot_observation
from openpi.config import robots
from openpi.robots.aloha import environment, limits, simulated
from openpi.runtime import emergency_stop, pace


@pytest.fixture(autouse=True)
def _in_no_time(monkeypatch):
    monkeypatch.setattr(pace.Pace, "wait", lambda self: None)


class _Noted(simulated.SimulatedAloha):
    def __init__(self):
        super().__init__()
        self.commands, self.woken = [], 0

    def command(self, targets):
        self.commands.append(np.array(targets))
        super().command(targets)

    def wake_grippers(self):
        self.woken += 1


def _make(**options):
    arms, stop = _Noted(), emergency_stop.EmergencyStop()
    return environment.AlohaEnvironment(arms, stop=stop, **options), arms, stop


def test_an_observation_is_as_the_released_policies_take_it():
    robot, _, _ = _make(prompt="fold the towel")
    observation = robot.get_observation()
    description = robot_description.from_dict(robots.aloha().to_dict())
    robot_observation.check_observation(description, observation)
    assert sorted(observation["images"]) == sorted(environment.CAMERAS)
    assert all(image.shape == (3, 224, 224) and image.dtype == np.uint8 for image in observation["images"].values())
    assert observation["prompt"] == "fold the towel"
    assert limits.LIMITS.names == description.actions == description.state_names


def test_grippers_are_0_to_1_above_and_metres_and_radians_below():
    robot, arms, _ = _make()
    arms._joints[6], arms._joints[13] = 0.05800, (0.01844 + 0.05800) / 2
    np.testing.assert_allclose(robot.get_observation()["state"][[6, 13]], [1.0, 0.5], atol=1e-12)
    action = np.arange(14) / 100
    action[[6, 13]] = [0.0, 1.0]
    robot.apply_action({"actions": action})
    np.testing.assert_allclose(arms.commands[-1][[6, 13]], [-0.6213, 1.4910], atol=1e-12)
    np.testing.assert_array_equal(np.delete(arms.commands[-1], [6, 13]), np.delete(action, [6, 13]))


def test_a_reset_brings_the_arms_home_then_closes_and_opens_the_grippers():
    robot, arms, _ = _make(reset_pose=[0, -1.5, 1.5, 0, 0, 0])
    robot.reset()
    assert arms.woken == 1
    commands = np.array(arms.commands)
    steps = np.abs(np.diff(commands, axis=0))
    assert np.delete(steps, [6, 13], axis=1).max() <= 1.0 / limits.HZ + 1e-9  # radians: 1 a second
    moving = np.flatnonzero(np.delete(steps, [6, 13], axis=1).max(axis=1))
    gripping = np.flatnonzero(steps[:, 6])
    assert moving.max() < gripping.min()
    np.testing.assert_allclose(commands[-1], [0, -1.5, 1.5, 0, 0, 0, 1.4910] * 2)
    np.testing.assert_allclose(commands[-26, [6, 13]], -0.6213)  # closed half a second before
    assert not robot.is_episode_complete()


def test_the_way_home_ends_when_the_robot_is_stopped():
    robot, arms, stop = _make()
    command = arms.command

    def press(targets):
        command(targets)
        if len(arms.commands) == 5:
            stop.trip("key e was pressed")

    arms.command = press
    with pytest.raises(emergency_stop.Stopped, match="key e"):
        robot.reset()
    assert len(arms.commands) == 5


def test_joints_that_are_no_numbers_are_not_moved():
    robot, arms, _ = _make()
    arms._joints[3] = np.nan
    with pytest.raises(ValueError, match="not finite; look at the robot's encoders"):
        robot.reset()
    assert arms.commands == []


def test_depth_images_are_left_out():
    robot, arms, _ = _make()
    arms._pictures["cam_high_depth"] = arms._pictures["cam_high"]
    assert "cam_high_depth" not in robot.get_observation()["images"]


def test_the_reset_pose_is_the_servers_or_the_usual_one():
    assert environment.reset_pose({"reset_pose": [0, -1.5, 1.5, 0, 0, 0]}) == (0, -1.5, 1.5, 0, 0, 0)
    assert environment.reset_pose({}) == environment.DEFAULT_RESET_POSE


@pytest.mark.parametrize(
    ("pose", "text"),
    [
        ([0, -2, 1.5, 0, 0, 0], r"reset_pose has left_shoulder at -2, beyond -1\.85005 to 1\.25664: mend"),
        ([float("nan")] * 6, "left_waist at nan"),
        ("home", "reset_pose='home' must be 6 angles"),
        ([0, 0, 0], "must be 6 angles"),
        (["0"] * 6, "must be 6 angles"),
    ],
)
def test_a_reset_pose_that_is_none_is_refused(pose, text):
    with pytest.raises(ValueError, match=text):
        environment.reset_pose({"reset_pose": pose})
