import jax
import numpy as np
import pytest

from openpi.models import observation

BATCH = {
    "image": {"base_0_rgb": np.array([[[[0, 51, 255]]]], np.uint8), "wrist": np.full((1, 1, 1, 3), 0.5, np.float32)},
    "image_mask": {"base_0_rgb": np.array([True]), "wrist": np.array([False])},
    "state": np.zeros((1, 4), np.float32),
}
PROMPT = {"tokenized_prompt": np.ones((1, 3), int), "tokenized_prompt_mask": np.ones((1, 3), bool)}


def test_from_dict_scales_uint8_images_only_and_leaves_its_input_alone():
    got = observation.Observation.from_dict(BATCH | PROMPT)
    np.testing.assert_allclose(got.images["base_0_rgb"][0, 0, 0], [-1, -0.6, 1], atol=1e-6)
    assert got.images["base_0_rgb"].dtype == np.float32
    np.testing.assert_array_equal(got.images["wrist"], BATCH["image"]["wrist"])
    assert BATCH["image"]["base_0_rgb"].dtype == np.uint8
    assert got.token_ar_mask is None


def test_to_dict_inverts_from_dict():
    got = observation.Observation.from_dict(BATCH | PROMPT)
    again = observation.Observation.from_dict(got.to_dict())
    jax.tree.map(np.testing.assert_array_equal, again, got)
    assert set(got.to_dict()) >= {"image", "image_mask", "state", "token_ar_mask", "token_loss_mask"}


@pytest.mark.parametrize("given", PROMPT)
def test_prompt_and_mask_come_together(given):
    with pytest.raises(ValueError, match="together, or neither"):
        observation.Observation.from_dict(BATCH | {given: PROMPT[given]})


@pytest.mark.parametrize("missing", BATCH)
def test_missing_keys_are_named(missing):
    with pytest.raises(ValueError, match=f"'{missing}' is missing; given: "):
        observation.Observation.from_dict({key: value for key, value in BATCH.items() if key != missing})
