import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import transform

from openpi.robots.libero import rotation

_parts = st.tuples(*[st.floats(-1, 1)] * 4).filter(lambda parts: np.linalg.norm(parts) > 0.1)


@given(_parts)
def test_it_is_the_same_turn_as_scipys(parts):
    quaternion = np.array(parts) / np.linalg.norm(parts)
    found = rotation.axis_angle(quaternion)
    expected = transform.Rotation.from_quat(quaternion)
    assert (transform.Rotation.from_rotvec(found).inv() * expected).magnitude() < 1e-3
    assert 0 <= np.linalg.norm(found) <= 2 * np.pi + 1e-9
    if quaternion[3] > 1e-3:  # up to half a turn there is one vector only
        np.testing.assert_allclose(found, expected.as_rotvec(), atol=1e-3)


@pytest.mark.parametrize(
    ("quaternion", "expected"),
    [
        ([0, 0, 0, 1], [0, 0, 0]),
        ([0, 0, 0, -1], [0, 0, 0]),
        ([1, 0, 0, 0], [np.pi, 0, 0]),  # LIBERO's hand points down
        ([0, 0, np.sin(0.3), np.cos(0.3)], [0, 0, 0.6]),
        ([0, 0, -np.sin(0.3), -np.cos(0.3)], [0, 0, -(2 * np.pi - 0.6)]),  # the other quaternion of the same turn
        ([0, 0, 0, 1.0000001], [0, 0, 0]),  # rounding
    ],
)
def test_known_turns(quaternion, expected):
    np.testing.assert_allclose(rotation.axis_angle(np.array(quaternion, np.float64)), expected, atol=1e-12)
