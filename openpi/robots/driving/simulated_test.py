import numpy as np
import pytest

from openpi.robots.driving import simulated

_CAMERAS = {"front": (48, 64), "wrist": (40, 30)}


def _robot(**options):
    return simulated.SimulatedDriver([0.0, 1.0], _CAMERAS, hz=20, **options)


def test_joints_follow_commands_with_a_lag():
    robot = _robot()
    np.testing.assert_array_equal(robot.read().joints, [0, 1])
    left = []
    for _ in range(5):
        robot.command(np.array([1.0, 1.0]))
        joints = robot.read().joints
        left.append(1 - joints[0])
        assert joints[1] == 1
    np.testing.assert_allclose(left, np.exp(-np.arange(1, 6)))  # a step is as long as the lag
    robot.close()


def test_a_command_may_be_a_velocity():
    robot = _robot(target=lambda joints, command: joints + command)
    robot.command(np.array([0.1, 0.0]))
    robot.command(np.array([0.1, 0.0]))
    np.testing.assert_allclose(robot.read().joints, [0.2 * (1 - np.exp(-1)), 1])


def test_pictures_are_of_their_cameras_and_move():
    robot = _robot()
    first, second = robot.read().images, robot.read().images
    assert {name: image.shape for name, image in first.items()} == {"front": (48, 64, 3), "wrist": (40, 30, 3)}
    assert all(image.dtype == np.uint8 and image.std() > 10 for image in first.values())
    assert (first["front"] != second["front"]).any()
    assert (first["front"][:40, :30] != first["wrist"]).any()


@pytest.mark.parametrize("command", [[0.0], [0.0, np.nan]])
def test_what_is_no_command_is_refused(command):
    with pytest.raises(ValueError, match="the robot has 2 joints"):
        _robot().command(np.array(command))


def test_a_reading_is_nobodys_but_the_readers():
    robot = _robot()
    robot.read().joints[:] = 9
    np.testing.assert_array_equal(robot.read().joints, [0, 1])
