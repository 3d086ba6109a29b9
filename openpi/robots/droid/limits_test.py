import numpy as np
import pytest

from openpi.robots.droid import limits
from openpi.runtime import safety_limits

# Craig's parameters of the arm as Franka publishes them: a, d, alpha; the last row is the flange.
_DH = (
    (0, 0.333, 0),
    (0, 0, -np.pi / 2),
    (0, 0.316, np.pi / 2),
    (0.0825, 0, np.pi / 2),
    (-0.0825, 0.384, -np.pi / 2),
    (0, 0, np.pi / 2),
    (0.088, 0, np.pi / 2),
    (0, 0.107, 0),
)


def _by_dh(joints, beyond=0.0):
    """Where the flange is, or a point so far before it, by the textbook."""
    pose = np.eye(4)
    for (a, d, alpha), theta in zip(_DH, [*joints, 0], strict=True):
        ct, st, ca, sa = np.cos(theta), np.sin(theta), np.cos(alpha), np.sin(alpha)
        pose = pose @ [
            [ct, -st, 0, a],
            [st * ca, ct * ca, -sa, -d * sa],
            [st * sa, ct * sa, ca, d * ca],
            [0, 0, 0, 1],
        ]
    return (pose @ [0, 0, beyond, 1])[:3]


@pytest.mark.parametrize("seed", range(5))
def test_flange_and_fingertips_are_where_the_maker_has_them(seed):
    joints = np.random.default_rng(seed).uniform(-3, 3, 7)
    np.testing.assert_allclose(limits.flange(joints), _by_dh(joints), atol=1e-12)
    np.testing.assert_allclose(limits.fingertip(joints), _by_dh(joints, 0.163), atol=1e-12)


def test_home_is_within_the_limits():
    here = np.array([*limits.HOME, 0.0])
    allowed, interventions = safety_limits.constrain(limits.LIMITS, here, here)
    assert interventions == []
    np.testing.assert_array_equal(allowed, here)
    fingertip = limits.fingertip(here[:7])
    assert (fingertip > np.array([0.2, -0.1, 0.1])).all()
    assert (fingertip < np.array([0.7, 0.1, 0.6])).all()
