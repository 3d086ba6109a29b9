"""What is asked of DROID's own environment, by a stand-in for it: the real one has never been there."""

import types

import numpy as np
import pytest

from openpi.robots.droid import hardware


class _RobotEnv:
    """Notes what it is told; its pictures are BGR with alpha."""

    def __init__(self, **options):
        self.options, self.steps, self.resets = options, [], 0

    def get_observation(self):
        picture = np.zeros((4, 6, 4), np.uint8)
        picture[...] = [1, 2, 3, 255]
        images = {
            f"{number}_{side}": picture + (10 if side == "right" else 0)
            for number in (11, 22)
            for side in ("left", "right")
        }
        state = {"joint_positions": [0, 1, 2, 3, 4, 5, 6], "gripper_position": 0.5, "cartesian_position": [0] * 6}
        return {"image": images, "robot_state": state}

    def step(self, action):
        self.steps.append(action)

    def reset(self):
        self.resets += 1


@pytest.fixture
def opened():
    made = []

    def make(**options):
        made.append(_RobotEnv(**options))
        return made[-1]

    modules = hardware.Libraries(types.SimpleNamespace(RobotEnv=make))
    return hardware.DroidHardware(modules, {"left": "11", "wrist": "22"}), made


def test_it_is_opened_as_the_published_program_does(opened):
    _, (environment,) = opened
    assert environment.options == {"action_space": "joint_velocity", "gripper_action_space": "position"}


def test_joints_and_the_left_pictures_in_rgb(opened):
    robot, _ = opened
    reading = robot.read()
    np.testing.assert_array_equal(reading.joints, [0, 1, 2, 3, 4, 5, 6, 0.5])
    assert sorted(reading.images) == ["left", "wrist"]
    for image in reading.images.values():
        assert image.shape == (4, 6, 3)
        assert (image == [3, 2, 1]).all()


def test_it_steps_and_resets(opened):
    robot, (environment,) = opened
    robot.command(np.arange(8.0))
    robot.home()
    robot.close()
    np.testing.assert_array_equal(environment.steps, [np.arange(8.0)])
    assert environment.resets == 1


def test_a_camera_that_is_not_there_is_named_with_those_that_are():
    modules = hardware.Libraries(types.SimpleNamespace(RobotEnv=_RobotEnv))
    robot = hardware.DroidHardware(modules, {"left": "33"})
    with pytest.raises(
        RuntimeError, match=r"no camera 33 \(--left_camera_id\) is among DROID's: 11_left, 11_right, 22_left"
    ):
        robot.read()
