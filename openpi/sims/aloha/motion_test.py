import numpy as np
import pytest

from openpi.sims.aloha import environment, kinematics, motion
from openpi.sims.aloha import scene as scene_lib

_CUBE = np.array([0.1, 0.5, 0.02])


@pytest.fixture(scope="module")
def scene():
    return scene_lib.Scene()


@pytest.mark.parametrize(
    ("side", "point"), [("right", np.array([0.05, 0.55, 0.10])), ("left", np.array([-0.05, 0.5, 0.17]))]
)
def test_an_arm_arrives_at_its_point_within_the_speed_limit_and_the_other_stays(scene, side, point):
    scene.reset(environment.HOME, _CUBE)
    targets, moved = environment.HOME, kinematics.JOINT_INDICES[side]
    others = np.setdiff1d(np.arange(14), moved)
    for _ in range(15):
        following = motion.towards(scene, targets, side, point, pitch=0.5)
        assert np.abs(following - targets).max() <= 0.12 + 1e-9
        np.testing.assert_array_equal(following[others], environment.HOME[others])
        targets = following
        scene.step(targets, control_steps=5)
    np.testing.assert_allclose(motion.fingertip(scene, side), point, atol=5e-3)
    np.testing.assert_allclose(targets[moved][1:].sum(), 0.5, atol=1e-2)  # the pitch
    np.testing.assert_allclose(
        motion.towards(scene, targets, side, point, pitch=0.5), targets, atol=1e-3
    )  # holds still


def test_wrist_and_gripper_move_when_asked(scene):
    scene.reset(environment.HOME, _CUBE)
    point = motion.fingertip(scene, "left")
    targets = environment.HOME
    for _ in range(6):
        before = targets
        targets = motion.towards(scene, targets, "left", point, roll=np.pi / 2, gripper=motion.OPEN)
        assert targets[5] - before[5] <= 0.3 + 1e-9
    assert targets[5] == pytest.approx(np.pi / 2) and targets[6] == motion.OPEN
    np.testing.assert_array_equal(targets[7:], environment.HOME[7:])


def test_an_arm_whose_point_is_out_of_reach_stays(scene):
    scene.reset(environment.HOME, _CUBE)
    following = motion.towards(scene, environment.HOME, "right", np.array([-2.0, 0.5, 0.1]), gripper=motion.OPEN)
    np.testing.assert_array_equal(following[:13], environment.HOME[:13])
    assert following[13] == motion.OPEN


@pytest.mark.parametrize(
    ("opening", "beside", "is_open", "holds"),
    [(1.0, 0.0, True, False), (0.65, 0.0, False, True), (0.65, 0.03, False, False), (1.0, 0.03, True, False)],
)
def test_a_cube_is_held_between_closed_fingers(scene, opening, beside, is_open, holds):
    joints = environment.HOME.copy()
    joints[motion.GRIPPER_INDICES["right"]] = opening
    scene.reset(joints, _CUBE)
    scene.reset(joints, motion.fingertip(scene, "right") + [beside, 0.0, 0.0])
    assert motion.cube_distance(scene, "right") == pytest.approx(beside, abs=1e-9)
    assert motion.is_open(scene, "right") is is_open
    assert motion.holds(scene, "right") is holds
    assert not motion.holds(scene, "left")
