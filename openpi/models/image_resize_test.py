import numpy as np
import pytest

from openpi.models import golden, image_resize

ARRAYS = golden.load("images/resize")  # of the results every third row, and every seventh of jax224


@pytest.mark.parametrize("case", sorted({name.split("/")[0] for name in ARRAYS}))
def test_golden(case):
    images, expected = ARRAYS[f"{case}/in"], ARRAYS[f"{case}/out"]
    height, width = map(int, ARRAYS[f"{case}/size"])
    got = image_resize.resize_with_pad(images, height, width)
    assert got.shape == (*images.shape[:-3], height, width, 3)
    assert got.dtype == expected.dtype
    got = got[..., :: 7 if case == "jax224" else 3, :, :]
    if got.dtype == np.uint8:
        assert np.abs(np.asarray(got, int) - expected).max() <= 1  # rounding ties
    else:
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


def test_odd_pixel_of_padding_goes_last():
    got = np.asarray(image_resize.resize_with_pad(np.full((4, 7, 3), 200, np.uint8), 7, 7))
    np.testing.assert_array_equal(got[:, 0, 0], [0, 200, 200, 200, 200, 0, 0])


def test_other_dtypes_raise():
    with pytest.raises(ValueError, match="uint8 or float32, got int32"):
        image_resize.resize_with_pad(np.zeros((4, 4, 3), np.int32), 2, 2)
