import pathlib

import pytest

from openpi.transforms import golden_cases, resize_images

_CASES = golden_cases.load(pathlib.Path(__file__).parent / "testdata", "ResizeImages")


@pytest.mark.parametrize("case", _CASES, ids=lambda case: case.id)
def test_golden(case):
    golden_cases.run(case, lambda: resize_images.ResizeImages(**case.args))
