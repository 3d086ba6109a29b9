import numpy as np
import pytest

from openpi.models import attention_mask, golden


@pytest.mark.parametrize("case", range(8))
def test_golden(case):
    arrays = golden.load("modules/make_attn_mask")
    got = attention_mask.make_attn_mask(arrays[f"c{case}/input_mask"], arrays[f"c{case}/mask_ar"])
    np.testing.assert_array_equal(got, arrays[f"c{case}/out"])


@pytest.mark.parametrize(
    ("ar_mask", "expected"),
    [
        ([0, 0, 0], np.ones((3, 3))),
        ([1, 1, 1], np.tri(3)),
        ([0, 0, 1], [[1, 1, 0], [1, 1, 0], [1, 1, 1]]),
    ],
    ids=["full", "causal", "prefix"],
)
def test_block_structures(ar_mask, expected):
    got = attention_mask.make_attn_mask(np.ones((1, 3), bool), np.array(ar_mask))
    np.testing.assert_array_equal(got[0], np.asarray(expected, bool))
