import json
import pathlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from openpi.transforms import actions, golden_cases

_DIRECTORY = pathlib.Path(__file__).parent / "testdata"
_MASKS = json.loads((_DIRECTORY / "helpers.json").read_text())["make_bool_mask"]


@pytest.mark.parametrize("case", _MASKS, ids=lambda case: str(case["dims"]))
def test_make_bool_mask(case):
    assert actions.make_bool_mask(*case["dims"]) == tuple(case["out"])


@pytest.mark.parametrize("name", ["DeltaActions", "AbsoluteActions", "SubsampleActions"])
def test_golden(name):
    for case in golden_cases.load(_DIRECTORY, name):
        golden_cases.run(case, lambda case=case: getattr(actions, name)(**case.args))


def test_deltas_are_relative_to_the_start_of_the_chunk():
    sample = {"state": np.array([1.0, 2, 3]), "actions": np.array([[3.0, 4, 5], [5, 6, 7]])}
    delta = actions.DeltaActions([False, True])(sample)
    assert delta["actions"].tolist() == [[3, 2, 5], [5, 4, 7]]
    assert actions.AbsoluteActions([False, True])(sample)["actions"].tolist() == [[3, 6, 5], [5, 8, 7]]


@pytest.mark.parametrize("transform", [actions.DeltaActions(None), actions.AbsoluteActions(None)])
def test_no_mask_returns_the_same_object(transform):
    sample = {"state": np.zeros(2), "actions": np.zeros((3, 2))}
    assert transform(sample) is sample


_integers = hnp.from_dtype(np.dtype(np.int16)).map(float)  # float64 adds and subtracts these exactly


@settings(deadline=None)
@given(
    state=hnp.arrays(np.float64, 5, elements=_integers),
    chunk=hnp.arrays(np.float64, (4, 5), elements=_integers),
    mask=st.lists(st.booleans(), max_size=5),
)
def test_absolute_undoes_delta(state, chunk, mask):
    delta = actions.DeltaActions(mask)({"state": state, "actions": chunk})
    np.testing.assert_array_equal(actions.AbsoluteActions(mask)(delta)["actions"], chunk)


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, bool])
@pytest.mark.parametrize("state", [np.array([0.5, 2.0]), np.array([3, 1], np.uint8)])
def test_integers_become_floating(dtype, state):
    sample = {"state": state, "actions": np.ones((1, 2), dtype)}
    delta = actions.DeltaActions([True, False])(sample)
    np.testing.assert_array_equal(delta["actions"], [[1.0 - state[0], 1.0]], strict=True)
    np.testing.assert_array_equal(actions.AbsoluteActions([True, False])(delta)["actions"], [[1.0, 1.0]], strict=True)


def test_a_mask_wider_than_the_data_is_named():
    with pytest.raises(ValueError, match="mask of relative actions has 4 dims"):
        actions.DeltaActions([True] * 4)({"state": np.zeros(3), "actions": np.zeros((2, 3))})
