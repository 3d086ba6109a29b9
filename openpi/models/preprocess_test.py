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


def test_selects_cameras_in_order():
    got = preprocess.preprocess(None, given(), image_keys=KEYS[1::-1], image_resolution=(224, 224))
    assert list(got.images) == list(got.image_masks) == ["left_wrist_0_rgb", "base_0_rgb"]


def test_missing_camera_is_named():
    with pytest.raises(ValueError, match=r"lacks camera\(s\) \['top'\]; given: \['base_0_rgb', 'left_wrist"):
        preprocess.preprocess(None, given(), image_keys=("base_0_rgb", "top"), image_resolution=(224, 224))


def test_wrist_cameras_keep_their_geometry():
    image = np.random.default_rng(0).uniform(-1, 1, (2, 16, 16, 3)).astype(np.float32)
    cameras = {"image": dict.fromkeys(KEYS, image), "image_mask": {}, "state": np.zeros((2, 4), np.float32)}
    rng, obs = jax.random.key(5), observation.Observation.from_dict(cameras)
    form = {"image_keys": KEYS, "image_resolution": (16, 16), "augment": True}
    got = jax.jit(lambda: preprocess.preprocess(rng, obs, **form))()
    for key in KEYS:
        expected = jax.jit(augment.augment, static_argnames="geometry")(rng, image, geometry=key == "base_0_rgb")
        np.testing.assert_allclose(got.images[key], expected, atol=1e-5)
    np.testing.assert_array_equal(got.images[KEYS[1]], got.images[KEYS[2]])
