import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openpi.checkpoints.pytorch import axes

EQUATIONS = ["D->D", "DF->FD", "YXCD->DCYX", "1PD->PD", "DNH->(NH)D", "NHD->D(NH)", "NDH->(NH)D", "NH->(NH)"]


def example(equation, sizes):
    shape = [1 if axis == "1" else size for axis, size in zip(equation.partition("->")[0], sizes)]
    return np.arange(math.prod(shape)).reshape(shape)


@given(equation=st.sampled_from(EQUATIONS), sizes=st.lists(st.integers(1, 4), min_size=4, max_size=4))
def test_backward_undoes_forward(equation, sizes):
    array = example(equation, sizes)
    there = axes.forward(equation, array)
    assert there.shape == axes.forward_shape(equation, array.shape)
    np.testing.assert_array_equal(axes.backward(equation, there, array.shape), array)
    known = dict(zip(equation.partition("->")[0], array.shape))
    for unknown in known:  # one axis of each group follows from the others
        assert axes.backward_shape(equation, there.shape, known | {unknown: known[unknown]}) == array.shape
    known.pop("N", None)
    assert axes.backward_shape(equation, there.shape, known) == array.shape


@pytest.mark.parametrize(
    ("equation", "sizes", "same"),
    [
        ("DF->FD", (2, 3), lambda x: x.T),
        ("YXCD->DCYX", (2, 3, 3, 4), lambda x: np.einsum("yxcd->dcyx", x)),
        ("NDH->(NH)D", (2, 5, 3), lambda x: np.concatenate([x[0].T, x[1].T])),
        ("NHD->D(NH)", (2, 3, 5), lambda x: np.concatenate([x[0].T, x[1].T], axis=1)),
        ("1PD->PD", (1, 3, 2), lambda x: x[0]),
    ],
)
def test_forward_equals_numpy(equation, sizes, same):
    array = example(equation, sizes)
    np.testing.assert_array_equal(axes.forward(equation, array), same(array))


def test_errors():
    with pytest.raises(ValueError, match=r"shape \(2, 3\) has not the axes NDH"):
        axes.forward_shape("NDH->(NH)D", (2, 3))
    with pytest.raises(ValueError, match=r"shape \(2, 3\) has not the axes 1D"):
        axes.forward_shape("1D->D", (2, 3))
    with pytest.raises(ValueError, match=r"shape \(2,\) has not the axes \(NH\)D"):
        axes.backward_shape("NDH->(NH)D", (2,), {"H": 2})
    with pytest.raises(ValueError, match=r"an axis of 7 is no multiple of 2 \(H\)"):
        axes.backward_shape("NDH->(NH)D", (7, 3), {"H": 2})
