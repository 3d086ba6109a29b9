import io

import numpy as np
import pytest
from PIL import Image

from openpi.server import thumbnail

_RNG = np.random.default_rng(0)
_IMAGE = _RNG.integers(0, 256, (20, 30, 3), np.uint8)


def _pixels(png):
    with Image.open(io.BytesIO(png)) as image:
        assert image.format == "PNG"
        return np.asarray(image)


@pytest.mark.parametrize(
    ("image", "pixels"),
    [
        (_IMAGE, _IMAGE),
        (_IMAGE.transpose(2, 0, 1), _IMAGE),
        (_IMAGE[:, :, :1], _IMAGE[:, :, 0]),
        ((_IMAGE / 255).astype(np.float32), _IMAGE),
        (_IMAGE.transpose(2, 0, 1) / np.float32(127.5) - np.float32(1), _IMAGE),
        (np.full((8, 8, 3), np.nan), np.zeros((8, 8, 3))),
    ],
    ids=["HWC", "CHW", "grey", "zero to one", "minus one to one", "NaN"],
)
def test_images_of_all_kinds(image, pixels):
    (found,) = thumbnail.cameras({"image": image}).values()
    assert found is image
    np.testing.assert_array_equal(_pixels(thumbnail.png(found)), pixels)


def test_large_images_shrink_and_stay_upright():
    image = _RNG.integers(0, 256, (480, 641, 3), np.uint8)
    np.testing.assert_array_equal(_pixels(thumbnail.png(image)), image[::3, ::3])


def test_images_have_the_names_of_their_places():
    observation = {
        "images": {"cam_high": _IMAGE, b"cam_low": _IMAGE},
        "observation/image": _IMAGE,
        "state": np.zeros(14),
        "table": np.zeros((50, 14, 3)),
        "tiny": np.zeros((3, 7, 9), np.uint8),
        "depth": np.zeros((20, 30, 3), np.uint16),
        "prompt": "look",
    }
    names = list(thumbnail.cameras(observation))
    assert names == ["images/cam_high", "images/cam_low", "observation/image", "table"]
    assert len(thumbnail.cameras({f"{i}": _IMAGE for i in range(100)})) == 16
    assert thumbnail.cameras({"a": {"b": {"c": {"d": {"e": _IMAGE}}}}}) == {}
