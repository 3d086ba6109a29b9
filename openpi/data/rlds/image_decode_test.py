import numpy as np
import pytest

from openpi.data.rlds import image_decode, recording

IMAGE = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)


def test_png_is_exact_and_jpeg_is_near():
    np.testing.assert_array_equal(image_decode.decode(recording.encode(IMAGE, "PNG"), (6, 8, 3)), IMAGE)
    flat = recording.picture(1, 2, 1)
    decoded = image_decode.decode(recording.encode(flat), flat.shape).astype(int)
    assert np.abs(decoded - flat).max() <= 4


def test_any_size_where_none_is_declared():
    assert image_decode.decode(recording.encode(IMAGE), (-1, 8, 3)).shape == IMAGE.shape


def test_grey_becomes_rgb():
    grey = image_decode.decode(recording.encode(IMAGE[..., 0], "PNG"), (6, 8, 3))
    np.testing.assert_array_equal(grey, np.repeat(IMAGE[..., :1], 3, axis=2))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "cannot be decoded"),
        (b"not an image", "cannot be decoded"),
        (recording.encode(IMAGE)[:200], "cannot be decoded"),
        (recording.encode(IMAGE, "PNG")[:-40], "cannot be decoded"),
        (recording.encode(IMAGE, "BMP"), "cannot be decoded"),
        (recording.encode(np.zeros((9, 8, 3), np.uint8)), "has 9x8 pixels, and 6x8 are declared"),
    ],
)
def test_what_is_no_such_image_is_told(data, message):
    with pytest.raises(ValueError, match=message):
        image_decode.decode(data, (6, 8, 3))
