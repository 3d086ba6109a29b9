import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from openpi.client import image_tools
from openpi.data import stored_size


def picture(height, width):
    return np.random.default_rng(height * 1000 + width).integers(0, 256, (height, width, 3), np.uint8)


# Landscape, portrait, square, smaller than the model's, sizes that no ratio divides, extreme ones.
SIZES = [
    (480, 640),
    (640, 480),
    (720, 1280),
    (224, 224),
    (60, 80),
    (479, 641),
    (331, 997),
    (97, 131),
    (225, 223),
    (20, 900),
]


@pytest.mark.parametrize("even", [False, True])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_model_sees_the_same_bytes(size, even):
    stored = stored_size.choose(*size, 224, even=even)
    image = picture(*size)
    kept = stored.store(image)
    assert kept.shape == (stored.height, stored.width, 3)
    expected = image_tools.resize_with_pad(image, 224, 224)
    np.testing.assert_array_equal(image_tools.resize_with_pad(kept, 224, 224), expected)


@hypothesis.given(st.integers(1, 300), st.integers(1, 300), st.sampled_from([28, 31, 56, 90]))
@hypothesis.settings(max_examples=150, deadline=None)
def test_so_for_any_size(height, width, image_size):
    if min(image_tools.fitted_size(height, width, image_size, image_size)) < 1:
        return  # nothing would be left of it
    image = picture(height, width)
    kept = stored_size.choose(height, width, image_size).store(image)
    expected = image_tools.resize_with_pad(image, image_size, image_size)
    np.testing.assert_array_equal(image_tools.resize_with_pad(kept, image_size, image_size), expected)
    assert kept.size <= min(image.size, expected.size)


@pytest.mark.parametrize(
    ("size", "image_size", "expected"),
    [
        ((480, 640), 224, "168x224"),
        ((640, 480), 224, "224x168"),
        ((480, 640), 0, "480x640"),
        ((60, 80), 224, "60x80"),  # smaller than the model's: as recorded
        ((224, 224), 224, "224x224"),
    ],
)
def test_no_padding_is_kept_and_nothing_enlarged(size, image_size, expected):
    assert stored_size.choose(*size, image_size).name == expected


def test_what_would_be_resized_twice_is_kept_with_its_padding():
    names = {stored_size.choose(height, width, 224).name for height in range(300, 420) for width in range(421, 700, 3)}
    assert "224x224-padded" in names  # where rounding makes 223 columns of 224: these would be enlarged later


def test_video_needs_even_sizes():
    assert stored_size.choose(331, 997, 224, even=True).name in ("74x224", "224x224-padded")
    assert stored_size.choose(97, 131, 224, even=True).name == "224x224-padded"
    with pytest.raises(ValueError, match="video needs even sizes; set config.data.cache='frames'"):
        stored_size.choose(97, 131, 225, even=True)
