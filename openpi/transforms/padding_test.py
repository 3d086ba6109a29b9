import json
import pathlib

import numpy as np
import pytest

from openpi.transforms import golden_cases, padding

_DIRECTORY = pathlib.Path(__file__).parent / "testdata"


@pytest.mark.parametrize("case", golden_cases.load(_DIRECTORY, "PadStatesAndActions"), ids=lambda case: case.id)
def test_golden(case):
    golden_cases.run(case, lambda: padding.PadStatesAndActions(**case.args))


def test_what_is_wide_enough_is_the_same_array():
    x = np.ones((2, 3))
    assert padding.pad_to_dim(x, 3) is padding.pad_to_dim(x, 2) is x
    np.testing.assert_array_equal(padding.pad_to_dim(x, 4, value=7.0)[:, 3], [7.0, 7.0])


def test_pad_to_dim_golden():
    arrays = np.load(_DIRECTORY / "arrays.npz")
    for case in json.loads((_DIRECTORY / "helpers.json").read_text())["pad_to_dim"]:
        padded = padding.pad_to_dim(arrays[f"{case['id']}/in"], case["target_dim"], case["axis"], case["value"])
        np.testing.assert_array_equal(padded, arrays[f"{case['id']}/out"], strict=True)
