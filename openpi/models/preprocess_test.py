import jax
import numpy as np
import pytest

from openpi.models import augment, golden, observation, preprocess

KEYS = ("base_0_rgb", "left_wrist_0_rgb", "right_wrist_0_rgb")
FORM = {"image_keys": KEYS, "image_resolution": (224, 224)}


def given():
    return observation.Observation.from_dict(golden.subtree(golden.load("images/preprocess_eval"), "in"))


def test_golden():
    arrays = golden.load("images/preprocess_eval")
    got = preprocess.preprocess(None, given(), **FORM)
    for key in KEYS:
        expected = arrays[f"out/image/{key}"]  # one camera's golden output holds its first image only
        np.testing.assert_allclose(got.images[key][: len(expected)], expected, rtol=1e-5, atol=1e-5)
        np.testing.assert_array_equal(got.image_masks[key], arrays[f"out/image_mask/{key}"])
    np.testing.assert_array_equal(got.state, arrays["in/state"])
    as_float = given().images["base_0_rgb"][:, ::6]
    np.testing.assert_allclose(as_float, arrays["out/from_dict_float/base_0_rgb"], rtol=1e-6, atol=1e-6)


def test_selects_cameras_in_order():
    got = preprocess.preprocess(None, given(), image_keys=KEYS[1::-1], image_resolution=(224, 224))
    assert list(got.images) == list(got.image_masks) == ["left_wrist_0_rgb", "base_0_rgb"]


def test_missing_camera_is_named():
    with pytest.raises(ValueError, match=r"lacks camera\(s\) \['top'\]; given: \['base_0_rgb', 'left_wrist"):
        preprocess.preprocess(None, given(), image_keys=("base_0_rgb", "top"), image_resolution=(224, 224))


IMAGE = np.random.default_rng(0).uniform(-1, 1, (16, 16, 16, 3)).astype(np.float32)


def augmented(augmentation):
    """The three cameras' images, all of them of one batch."""
    cameras = {"image": dict.fromkeys(KEYS, IMAGE), "image_mask": {}, "state": np.zeros((16, 4), np.float32)}
    form = {"image_keys": KEYS, "image_resolution": (16, 16), "augmentation": augmentation}
    obs = observation.Observation.from_dict(cameras)
    images = jax.jit(lambda: preprocess.preprocess(jax.random.key(5), obs, **form))().images
    return [np.asarray(images[key]) for key in KEYS]


def test_published_augmentation_uses_one_key_and_moves_no_wrist_camera():
    base, left, right = augmented("published")
    run = jax.jit(augment.augment, static_argnames="geometry")
    np.testing.assert_allclose(base, run(jax.random.key(5), IMAGE, geometry=True), atol=1e-5)
    np.testing.assert_allclose(left, run(jax.random.key(5), IMAGE, geometry=False), atol=1e-5)
    np.testing.assert_array_equal(left, right)


def test_corrected_augmentation_treats_cameras_independently():
    base, left, right = augmented("corrected")
    base_kept, left_kept, right_kept = (np.abs(got - IMAGE).max(axis=(1, 2, 3)) < 1e-3 for got in (base, left, right))
    assert not base_kept.any()  # cropped and rotated
    assert left_kept.any() and right_kept.any()  # half of the images of a wrist camera stay as they are
    assert (left_kept != right_kept).any()
    both = ~left_kept & ~right_kept
    assert np.abs(left - right).max(axis=(1, 2, 3))[both].min() > 1e-2


def test_unknown_augmentation_raises():
    with pytest.raises(ValueError, match=r"augmentation must be one of \('none', .* got 'correct'"):
        preprocess.preprocess(None, given(), **FORM, augmentation="correct")
