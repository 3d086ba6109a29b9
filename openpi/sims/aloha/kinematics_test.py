import mujoco
import numpy as np
import pytest

from openpi.sims.aloha import environment, kinematics
from openpi.sims.aloha import scene as scene_lib


@pytest.mark.parametrize("x", [0.0, 0.1, 0.2])
@pytest.mark.parametrize("y", [0.4, 0.5, 0.6])
def test_solution_reaches_the_point_with_the_gripper_pitched(x, y):
    scene = scene_lib.Scene()
    scene.reset(environment.HOME, np.array([x, y, 0.02]))
    before = scene.data.qpos.copy()
    target = np.array([x, y, 0.08])
    solution = kinematics.solve(scene.model, scene.data, target)
    np.testing.assert_array_equal(scene.data.qpos, before)

    joints = environment.HOME.copy()
    joints[kinematics.JOINT_INDICES["right"]] = solution
    scene.reset(joints, np.array([x, y, 0.02]))
    np.testing.assert_allclose(kinematics.fingertip(scene.model, scene.data, "right"), target, atol=1e-3)
    np.testing.assert_allclose(np.rad2deg(solution[1:].sum()), 60, atol=0.5)
    site = mujoco.mj_name2id(scene.model, mujoco.mjtObj.mjOBJ_SITE, "cali_right_site1")
    np.testing.assert_allclose(scene.data.site_xpos[site], target, atol=1e-3)  # the model's own mark at the fingertip


def test_a_point_out_of_reach_is_an_error():
    scene = scene_lib.Scene()
    scene.reset(environment.HOME, np.array([0.1, 0.5, 0.02]))
    with pytest.raises(ValueError, match=r"cannot reach \[-2.0, 0.5, 0.1\]"):
        kinematics.solve(scene.model, scene.data, np.array([-2.0, 0.5, 0.1]))
