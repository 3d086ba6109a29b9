import numpy as np
import pytest

from openpi.robots.ur5 import limits
from openpi.runtime import safety_limits

# Denavit-Hartenberg parameters of the UR5e as Universal Robots publish them: a, d, alpha.
_DH = (
    (0, 0.1625, np.pi / 2),
    (-0.425, 0, 0),
    (-0.3922, 0, 0),
    (0, 0.1333, np.pi / 2),
    (0, 0.0997, -np.pi / 2),
    (0, 0.0996, 0),
)


def _by_dh(joints, beyond=0.0):
    """Where the flange is, or a point so far before it, by the textbook."""
    pose = np.eye(4)
    for (a, d, alpha), theta in zip(_DH, joints, strict=True):
        ct, st, ca, sa = np.cos(theta), np.sin(theta), np.cos(alpha), np.sin(alpha)
        pose = pose @ [
            [ct, -st * ca, st * sa, a * ct],
            [st, ct * ca, -ct * sa, a * st],
            [0, sa, ca, d],
            [0, 0, 0, 1],
        ]
    return (pose @ [0, 0, beyond, 1])[:3]


@pytest.mark.parametrize("seed", range(5))
def test_flange_and_fingertip_are_where_the_maker_has_them(seed):
    joints = np.random.default_rng(seed).uniform(-np.pi, np.pi, 6)
    np.testing.assert_allclose(limits.flange(joints), _by_dh(joints), atol=1e-12)
    np.testing.assert_allclose(limits.fingertip(joints), _by_dh(joints, 0.163), atol=1e-12)


def test_home_is_well_within_the_limits_and_the_gripper_points_down():
    here = np.array([*limits.HOME, 0.0])
    allowed, interventions = safety_limits.constrain(limits.LIMITS, here, here)
    assert interventions == []
    np.testing.assert_array_equal(allowed, here)
    flange, fingertip = limits.flange(here[:6]), limits.fingertip(here[:6])
    np.testing.assert_allclose(flange - fingertip, [0, 0, 0.163], atol=1e-9)
    assert fingertip[2] > 0.2


def test_the_gripper_does_not_go_through_the_table():
    here = np.array([*limits.HOME, 0.0])
    goal = here + [0, 1.0, 0, -1.0, 0, 0, 0]
    for _ in range(100):
        here, _ = safety_limits.constrain(limits.LIMITS, here, goal)
        assert limits.fingertip(here[:6])[2] >= 0.005 - 1e-9
    assert limits.fingertip(goal[:6])[2] < 0
