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
        " state; change config.data.repack or the dataset"
    )


def test_a_prompt_that_only_the_task_tells_is_said():
    with pytest.raises(KeyError, match=r"has: task, task_index; set config\.data\.prompt_from_task, or change"):
        repack.Repack({"prompt": "prompt"})({"task": "lift", "task_index": 0})
