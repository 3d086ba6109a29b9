import pathlib

import pytest

from openpi.transforms import golden_cases, repack

_CASES = golden_cases.load(pathlib.Path(__file__).parent / "testdata", "RepackTransform")


@pytest.mark.parametrize("case", _CASES, ids=lambda case: case.id)
def test_golden(case):
    golden_cases.run(case, lambda: repack.Repack(**case.args))


def test_missing_key_is_one_line_that_says_how_to_mend():
    sample = {"observation.images.top": 0, "state": 0}
    with pytest.raises(KeyError) as caught:
        repack.Repack({"images": {"cam_high": "observation.images.cam_high"}})(sample)
    assert str(caught.value) == (
        "key 'observation.images.cam_high' (wanted as 'cam_high') is not in the sample, which has: observation.images.top,"
        " state; change config field data.repack or the dataset"
    )
