import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from openpi.client import robot_description
from openpi.policies import conversions

_NAMES = ("joint", "other", "grip")
_LINKAGE = {"position": (0.01844, 0.05800), "horn": (0.022,), "arm": (0.036,), "angle": (0.5476, 1.6296)}


def _conversion(kind, *dims, **constants):
    return robot_description.Conversion(kind, dims, constants)


@pytest.mark.parametrize(
    ("conversion", "robot", "model"),
    [
        (_conversion("flip", "joint"), [1, 2, 3], [-1, 2, 3]),
        (_conversion("flip", "grip", "joint"), [1, 2, 3], [-1, 2, -3]),
        (_conversion("degrees", "joint", "other"), [180, -90, 3], [np.pi, -np.pi / 2, 3]),
        (_conversion("linear", "grip", robot=(85, 5), model=(0, 1)), [1, 2, 85], [1, 2, 0]),
        (_conversion("linear", "grip", robot=(85, 5), model=(0, 1)), [1, 2, 25], [1, 2, 0.75]),
        (_conversion("linear", "grip", robot=(0, 1), model=(-1, 3)), [1, 2, 2], [1, 2, 7]),
        # Values of the reference.
        (_conversion("linkage", "grip", **_LINKAGE), [1, 2, 0.5], [1, 2, -0.14005592]),
        (_conversion("linkage", "grip", **_LINKAGE), [1, 2, 1.0], [1, 2, 0.94565280]),
    ],
)
def test_there_and_back(conversion, robot, model):
    robot = np.asarray(robot, np.float32)
    there = conversions.to_model(robot, _NAMES, [conversion])
    np.testing.assert_allclose(there, np.asarray(model, np.float64), rtol=1e-7, strict=True)
    np.testing.assert_allclose(conversions.to_robot(there, _NAMES, [conversion]), robot.astype(np.float64), rtol=1e-12)


def test_without_conversions_the_same_array_comes_back():
    values = np.ones((2, 3), np.float32)
    assert conversions.to_model(values, _NAMES, []) is values
    assert conversions.to_robot(values, _NAMES, ()) is values


_kinds = st.one_of(
    st.just(("flip", {})),
    st.just(("degrees", {})),
    st.tuples(
        st.just("linear"),
        st.fixed_dictionaries(
            {
                key: st.tuples(st.floats(-100, 100), st.floats(1, 100)).map(lambda pair: (pair[0], pair[0] + pair[1]))
                for key in ("robot", "model")
            }
        ),
    ),
)
_chains = st.lists(
    st.tuples(_kinds, st.lists(st.sampled_from(_NAMES), unique=True)).map(
        lambda drawn: _conversion(drawn[0][0], *drawn[1], **drawn[0][1])
    ),
    max_size=3,
)
_shapes = st.sampled_from([(3,), (1, 3), (2, 4, 3)])


@settings(deadline=None)
@given(data=st.data(), chain=_chains, dtype=st.sampled_from([np.float64, np.float32]))
def test_the_robot_gets_back_what_the_model_was_shown(data, chain, dtype):
    values = data.draw(hnp.arrays(dtype, _shapes, elements=st.floats(-64, 64, width=32)))
    untouched = values.copy()
    there = conversions.to_model(values, _NAMES, chain)
    back = conversions.to_robot(there, _NAMES, chain)
    np.testing.assert_allclose(back, untouched, atol=1e-6 if chain else 0)
    np.testing.assert_array_equal(values, untouched, strict=True)
    assert there.shape == back.shape == values.shape
    assert there.dtype == back.dtype == (np.float64 if chain else dtype)


@settings(deadline=None)
@given(opening=hnp.arrays(np.float64, (4, 3), elements=st.floats(0, 0.98)))
def test_the_linkage_turns_one_way_and_back(opening):
    linkage = [_conversion("linkage", *_NAMES, **_LINKAGE)]
    angle = conversions.to_model(opening, _NAMES, linkage)
    np.testing.assert_allclose(conversions.to_robot(angle, _NAMES, linkage), opening, atol=1e-9)
    assert (conversions.to_model(opening + 0.01, _NAMES, linkage) > angle).all()


def test_a_gripper_beyond_its_stops_stays_at_them():
    linkage = [_conversion("linkage", "grip", **_LINKAGE)]
    openings = np.array([-9.0, -0.4662, -0.4661, -0.3, 0.0, 1.0, 1.01, 5.0])
    angles = conversions.to_model(openings[:, None], ("grip",), linkage)[:, 0]
    assert np.isfinite(angles).all() and (np.diff(angles) >= 0).all(), angles
