import jax
import numpy as np

from openpi.models import image_tokens, observation, siglip

TOWER = siglip.Siglip(siglip.SiglipConfig(8, 1, 16, 2, (4, 4), "sincos2d", "lecun"), 6, remat="none")


def test_cameras_come_one_after_the_other_with_their_masks():
    rng = np.random.default_rng(0)
    images = {key: rng.uniform(-1, 1, (2, 8, 8, 3)).astype(np.float32) for key in ("a", "b", "c")}
    masks = {"a": np.array([True, False]), "b": np.array([True, True]), "c": np.array([False, True])}
    obs = observation.Observation(images, masks, np.zeros((2, 1), np.float32))
    params = TOWER.init(jax.random.key(0), images["a"])["params"]
    tokens, mask = jax.jit(lambda: image_tokens.embed_images(TOWER, params, obs, ["c", "a"]))()
    alone = [TOWER.apply({"params": params}, images[key]) for key in ("c", "a")]
    np.testing.assert_allclose(tokens, np.concatenate(alone, axis=1), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(mask, [[False] * 4 + [True] * 4, [True] * 4 + [False] * 4])
