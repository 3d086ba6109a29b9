import numpy as np

from openpi.models import golden, right_align


def test_golden():
    arrays = golden.load("modules/fast_helpers")
    got = right_align.right_align(arrays["x"], arrays["input_mask"], arrays["attn_mask"])
    for name, value in zip(("out_x", "out_input_mask", "out_attn_mask"), got, strict=True):
        np.testing.assert_array_equal(value, arrays[name], err_msg=name)


def test_padding_moves_to_the_front_and_holes_stay():
    mask = np.array([[1, 1, 0, 1, 0, 0], [1, 1, 1, 1, 1, 1]], bool)
    x = np.arange(12.0).reshape(2, 6, 1)
    attn_mask = mask[:, :, None] & mask[:, None, :]
    got_x, got_mask, got_attn_mask = right_align.right_align(x, mask, attn_mask)
    np.testing.assert_array_equal(got_x[..., 0], [[4, 5, 0, 1, 2, 3], [6, 7, 8, 9, 10, 11]])
    np.testing.assert_array_equal(got_mask, [[0, 0, 1, 1, 0, 1], [1, 1, 1, 1, 1, 1]])
    np.testing.assert_array_equal(got_attn_mask, got_mask[:, :, None] & got_mask[:, None, :])
