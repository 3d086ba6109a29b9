"""Brings an observation into the form a model expects: its cameras, its resolution, augmented in training."""

from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Array, Key

from openpi.models import augment as augment_lib
from openpi.models import image_resize
from openpi.models import observation as observation_lib


def preprocess(
    rng: Key[Array, ""] | None,
    observation: observation_lib.Observation,
    *,
    image_keys: Sequence[str],
    image_resolution: tuple[int, int],
    augment: bool = False,
) -> observation_lib.Observation:
    """Selects cameras, resizes and masks images.

    Args:
        rng: for the augmentation, which uses it for every camera alike; may be None without.
        observation: with one batch axis.
        image_keys: cameras to keep, in this order.
        image_resolution: height and width; other images are resized, their aspect kept, and padded with black.
        augment: augment the images. Cameras with "wrist" in their name get colour jitter only.

    Returns:
        The observation with these cameras only, each with a mask (all True where it had none).

    Raises:
        ValueError: when a camera is missing.
    """
    missing = [key for key in image_keys if key not in observation.images]
    if missing:
        raise ValueError(f"observation lacks camera(s) {missing}; given: {sorted(observation.images)}")
    images, masks = {}, {}
    for key in image_keys:
        image = observation.images[key]
        if image.shape[1:3] != tuple(image_resolution):
            image = image_resize.resize_with_pad(image, *image_resolution)
        if augment:
            image = augment_lib.augment(rng, image, geometry="wrist" not in key)
        images[key] = image
        masks[key] = observation.image_masks.get(key, jnp.ones(observation.state.shape[:-1], bool))
    return observation.replace(images=images, image_masks=masks)
