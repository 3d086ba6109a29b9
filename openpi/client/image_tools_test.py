import pathlib

import numpy as np
import pytest

from openpi.client import image_tools

_GOLDEN = np.load(pathlib.Path(__file__).parent / "testdata" / "resize.npz")
_RESIZED = sorted({name.split("/")[0] for name in _GOLDEN.files} - {"to_uint8"})


@pytest.mark.parametrize("case", _RESIZED)
def test_resize_golden(case):
    expected = _GOLDEN[f"{case}/out"]
    resized = image_tools.resize_with_pad(_GOLDEN[f"{case}/in"], *expected.shape[-3:-1])
    np.testing.assert_array_equal(resized, expected, strict=True)


@pytest.mark.parametrize("kind", ["float", "uint8"])
def test_convert_golden(kind):
    converted = image_tools.convert_to_uint8(_GOLDEN[f"to_uint8/in_{kind}"])
    np.testing.assert_array_equal(converted, _GOLDEN[f"to_uint8/out_{kind}"], strict=True)


def test_every_byte_survives_the_way_through_float():
    values = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(image_tools.convert_to_uint8(values.astype(np.float32) / 255), values)


@pytest.mark.parametrize(("height", "width", "rows"), [(180, 320, slice(49, 175)), (480, 640, slice(28, 196))])
def test_content_sits_between_black_bars(height, width, rows):
    resized = image_tools.resize_with_pad(np.full((height, width, 3), 200, np.uint8), 224, 224)
    assert (resized[rows] == 200).all()
    assert resized.sum() == resized[rows].sum()


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_other_numbers_of_channels(channels):
    image = np.random.default_rng(0).integers(256, size=(2, 30, 40, channels), dtype=np.uint8)
    resized = image_tools.resize_with_pad(image, 20, 20)
    assert resized.shape == (2, 20, 20, channels)
    one_channel = image_tools.resize_with_pad(image[..., -1:], 20, 20)
    np.testing.assert_array_equal(resized[..., -1:], one_channel)


def test_the_right_size_returns_the_very_array():
    image = np.zeros((8, 8, 3), np.float32)
    assert image_tools.resize_with_pad(image, 8, 8) is image


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((4, 4, 3), np.float32), "must be uint8, got float32"),
        (np.zeros((4, 4), np.uint8), r"got shape \(4, 4\)"),
    ],
)
def test_bad_images_are_named(image, message):
    with pytest.raises(ValueError, match=message):
        image_tools.resize_with_pad(image, 8, 8)
