import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from openpi.robots.driving import screws

# Two links of 1 m in the plane of x and z, on a base that turns about z.
_ARM = (
    screws.Screw((0, 0, 0), (0, 0, 1)),
    screws.Screw((0, 0, 0.5), (0, -1, 0)),
    screws.Screw((1, 0, 0.5), (0, -1, 0)),
)
_TIP = (2, 0, 0.5)
_ANGLES = st.lists(st.floats(-4, 4), min_size=3, max_size=3)


@given(_ANGLES)
def test_a_planar_arm_is_where_trigonometry_has_it(angles):
    base, first, second = angles
    out = np.cos(first) + np.cos(first + second)
    up = 0.5 + np.sin(first) + np.sin(first + second)
    expected = [np.cos(base) * out, np.sin(base) * out, up]
    np.testing.assert_allclose(screws.position(_ARM, _TIP, np.array(angles)), expected, atol=1e-12)


def test_at_zero_the_tip_is_where_it_is_said_to_be():
    np.testing.assert_array_equal(screws.position(_ARM, _TIP, np.zeros(3)), _TIP)


@given(st.floats(-4, 4))
def test_a_slanted_line_keeps_its_points_and_their_distance(angle):
    axis = np.array([1, 2, 2]) / 3
    screw = screws.Screw((0.1, 0.2, 0.3), tuple(axis))
    on_line = np.array(screw.point) + 0.7 * axis
    np.testing.assert_allclose(screws.position([screw], on_line, np.array([angle])), on_line, atol=1e-12)
    moved = screws.position([screw], (1, 0, 0), np.array([angle])) - screw.point
    start = np.array([1, 0, 0]) - screw.point
    np.testing.assert_allclose(np.linalg.norm(moved), np.linalg.norm(start))
    np.testing.assert_allclose(moved @ axis, start @ axis)
