import numpy as np
import pytest

from openpi.robots.aloha import environment, limits
from openpi.runtime import safety_limits

_FOLDED = [0, -1.80, 1.55, 0, -1.57, 0]


# Where MuJoCo has them in gym_aloha's model of the arm, relative to its base.
@pytest.mark.parametrize(
    ("joints", "place"),
    [
        ([0, 0, 0, 0, 0, 0], [0.579294, 0.0, 0.42705]),
        ([0, -0.96, 1.16, 0, -0.3, 0], [0.301062, 0.0, 0.310226]),
        ([0.5, -0.7, 0.9, -1.2, 0.8, 0.4], [0.320548, 0.0077, 0.248868]),
        ([-1.3, 0.4, -0.6, 2.0, -0.9, -2.2], [0.013375, -0.633299, 0.396712]),
    ],
)
def test_fingertips_are_where_mujoco_has_them(joints, place):
    np.testing.assert_allclose(limits.fingertip(np.array(joints)), place, atol=1e-6)


@pytest.mark.parametrize("pose", [environment.DEFAULT_RESET_POSE, [0, -1.5, 1.5, 0, 0, 0], _FOLDED])
def test_the_poses_in_use_are_within_the_limits(pose):
    here = np.array([*pose, 1.0] * 2)
    allowed, interventions = safety_limits.constrain(limits.LIMITS, here, here)
    assert interventions == []
    np.testing.assert_array_equal(allowed, here)
    for workspace in limits.LIMITS.workspaces:
        place = workspace.position(np.array(pose))
        assert (place >= workspace.lower).all()
        assert (place <= workspace.upper).all()


def test_an_arm_that_would_go_through_the_table_stays_above_it_and_the_other_goes_on():
    here = np.array([0, -0.96, 1.16, 0, -0.3, 0, 0.5] * 2)
    goal = here.copy()
    goal[1] = 0.6  # the left shoulder, forward and down
    goal[7] += 0.5  # the right waist
    for _ in range(100):
        here, interventions = safety_limits.constrain(limits.LIMITS, here, goal)
        assert limits.fingertip(here[:6])[2] >= -0.02 - 1e-9
    assert {each.name for each in interventions} == {"left_shoulder", "left fingertip"}
    assert limits.fingertip(here[:6])[2] < 0.0
    assert here[7] == goal[7]
