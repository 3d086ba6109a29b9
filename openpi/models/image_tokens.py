"""Image tokens of all cameras of an observation."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from openpi.models import observation as observation_lib
from openpi.models import siglip

Params: TypeAlias = dict[str, Any]


def embed_images(
    tower: siglip.Siglip, params: Params, observation: observation_lib.Observation, image_keys: Sequence[str]
) -> tuple[Float[Array, "B T D"], Bool[Array, "B T"]]:
    """Tokens of these cameras, one after the other, and whether each holds part of an image; `T` is cameras x patches.

    All cameras go through the tower as one batch.
    """
    images = jnp.stack([observation.images[key] for key in image_keys], axis=1)  # [B, cameras, ...]
    masks = jnp.stack([observation.image_masks[key] for key in image_keys], axis=1)
    tokens = tower.apply({"params": params}, images.reshape(-1, *images.shape[2:]))
    patches, width = tokens.shape[1:]
    return tokens.reshape(len(images), -1, width), jnp.repeat(masks, patches, axis=1)
