import pathlib

import numpy as np
import pytest

from openpi.tokenizers import state_bins


def test_golden():
    golden = np.load(pathlib.Path(__file__).parent / "testdata" / "state_bins.npz")
    np.testing.assert_array_equal(state_bins.discretize(golden["state"]), golden["bins"], strict=True)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(-1.01, -1), (-1.0, 0), (0.0, 128), (1 - 1 / 128 - 1e-9, 254), (1 - 1 / 128, 255), (9.0, 255)],
)
def test_edges(value, expected):
    assert state_bins.discretize(np.array([value])).tolist() == [expected]
