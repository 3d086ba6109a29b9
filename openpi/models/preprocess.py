"""Brings an observation into the form a model expects: its cameras, its resolution, augmented in training."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from openpi.models import augment, image_resize, microbatch
from openpi.models import observation as observation_lib

# "published" is what the released models were trained with: one key for all cameras, a saturation jitter without
# effect. "corrected" is what it seems to have meant: cameras change independently, and in saturation as well.
AUGMENTATIONS = ("none", "published", "corrected")
_SATURATION = 0.5


def preprocess(
    rng: Key[Array, ""] | None,
    observation: observation_lib.Observation,
    *,
    image_keys: Sequence[str],
    image_resolution: tuple[int, int],
    augmentation: str = "none",
    part: microbatch.Microbatch = microbatch.WHOLE,
) -> observation_lib.Observation:
    """Selects cameras, resizes and masks images.

    Args:
        rng: for the augmentation; may be None without.
        observation: with one batch axis.
        image_keys: cameras to keep, in this order.
        image_resolution: height and width; other images are resized, their aspect kept, and padded with black.
        augmentation: one of `AUGMENTATIONS`. Cameras with "wrist" in their name get colour jitter only.
        part: of which batch the observation is which part, for the augmentation.

    Returns:
        The observation with these cameras only, each with a mask (all True where it had none).

    Raises:
        ValueError: when a camera is missing, or for an unknown augmentation.
    """
    check_augmentation(augmentation)
    missing = [key for key in image_keys if key not in observation.images]
    if missing:
        raise ValueError(f"observation lacks camera(s) {missing}; given: {sorted(observation.images)}")
    images, masks = {}, {}
    for i, key in enumerate(image_keys):
        image = observation.images[key]
        if image.shape[1:3] != tuple(image_resolution):
            image = image_resize.resize_with_pad(image, *image_resolution)
        geometry = "wrist" not in key
        if augmentation == "published":
            image = augment.augment(rng, image, geometry=geometry, part=part)
        elif augmentation == "corrected":
            camera_rng = jax.random.fold_in(rng, i)
            image = augment.augment(camera_rng, image, geometry=geometry, saturation=_SATURATION, part=part)
        images[key] = image
        masks[key] = observation.image_masks.get(key, jnp.ones(observation.state.shape[:-1], bool))
    return observation.replace(images=images, image_masks=masks)


def check_augmentation(augmentation: str) -> None:
    """Raises ValueError when it is none of `AUGMENTATIONS`."""
    if augmentation not in AUGMENTATIONS:
        raise ValueError(f"augmentation must be one of {AUGMENTATIONS}, got {augmentation!r}")
