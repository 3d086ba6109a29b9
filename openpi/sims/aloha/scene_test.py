import numpy as np
import pytest

from openpi.sims.aloha import scene as scene_lib

_JOINTS = np.array([0.1, -0.9, 1.1, 0.05, -0.3, 0.2, 0.1, -0.1, -1.0, 1.2, 0.0, -0.2, 0.0, 0.6])


def test_reset_puts_joints_and_cube_where_asked():
    scene = scene_lib.Scene()
    scene.reset(_JOINTS, np.array([0.05, 0.45, 0.02]))
    np.testing.assert_allclose(scene.joints(), _JOINTS, atol=1e-6)
    np.testing.assert_allclose(scene.cube_position(), [0.05, 0.45, 0.02])


def test_joints_follow_their_targets_and_the_cube_rests():
    scene = scene_lib.Scene()
    scene.reset(_JOINTS, np.array([0.05, 0.45, 0.02]))
    target = _JOINTS + np.array([0.1, 0.1, 0.1, 0.0, 0.1, 0.0, 0.2] * 2)
    for _ in range(20):
        scene.step(target, control_steps=5)
    np.testing.assert_allclose(scene.joints(), target, atol=0.03)
    np.testing.assert_allclose(scene.cube_position(), [0.05, 0.45, 0.02], atol=1e-3)


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_an_action_that_is_not_finite_is_an_error(broken):
    scene = scene_lib.Scene()
    scene.reset(_JOINTS, np.array([0.05, 0.45, 0.02]))
    with pytest.raises(scene_lib.PhysicsError, match="unstable"):
        scene.step(np.full(14, broken), control_steps=5)
    scene.reset(_JOINTS, np.array([0.05, 0.45, 0.02]))
    scene.step(_JOINTS, control_steps=5)  # a reset heals it
