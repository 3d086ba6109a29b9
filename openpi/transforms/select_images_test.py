import pytest

from openpi.transforms import select_images

SAMPLE = {"image": {"a": 1, "b": 2}, "image_mask": {"a": True, "b": False}, "state": 3}


def test_only_the_named_cameras_stay_in_order():
    out = select_images.SelectImages(("b",))(SAMPLE)
    assert out == {"image": {"b": 2}, "image_mask": {"b": False}, "state": 3}
    assert list(select_images.SelectImages(("b", "a"))(SAMPLE)["image"]) == ["b", "a"]
    assert list(SAMPLE["image"]) == ["a", "b"]


def test_a_missing_camera_is_named_with_those_that_are_there():
    with pytest.raises(ValueError, match="lack: c; there are: a, b"):
        select_images.SelectImages(("a", "c"))(SAMPLE)
