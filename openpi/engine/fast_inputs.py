"""What pi0-FAST reads, embedded.

Axis letters: `B` rows, `L` text tokens, `T` tokens of images and text, `D` width.
"""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from openpi.engine import fast_plan, image_tower, vocabulary
from openpi.models import observation as observation_lib
from openpi.models import pi0_fast


def embed(
    config: pi0_fast.Pi0FastConfig, plan: fast_plan.Plan, observation: observation_lib.Observation
) -> tuple[Float[Array, "B T D"], Bool[Array, "B T"], Int[Array, "B T"] | None]:
    """Tokens of all cameras in alphabetical order, then of the text; which are no padding; at which a causal block begins.

    Of cameras that have a mask but no image, the image is black. Without `token_ar_mask`, all is one block.
    """
    cameras, prompt = sorted(config.image_keys), observation.tokenized_prompt
    batch, (patches, width) = len(prompt), plan.black.shape
    parts = dict.fromkeys(cameras, jnp.broadcast_to(plan.black, (batch, patches, width)))
    if given := [key for key in cameras if key in observation.images]:
        images = jnp.concatenate([observation.images[key] for key in given])
        parts |= zip(given, jnp.split(image_tower.embed(plan.tower, images), len(given)))
    text = vocabulary.embed(plan.embedding, prompt, plan.black.dtype)
    shown = jnp.stack([observation.image_masks[key] for key in cameras], axis=1)
    mask = jnp.concatenate([jnp.repeat(shown, patches, axis=1), observation.tokenized_prompt_mask], axis=1)
    ar_mask = observation.token_ar_mask
    if ar_mask is not None:
        ar_mask = jnp.pad(ar_mask, ((0, 0), (len(cameras) * patches, 0)))
    return jnp.concatenate([*parts.values(), text], axis=1), mask, ar_mask
