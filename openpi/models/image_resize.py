"""Aspect-preserving resize on the accelerator.

Not the robots' resizer (openpi/client/image_tools.py, PIL): the two share geometry, not rounding.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, UInt8


def resize_with_pad(
    images: UInt8[Array, "*B H W C"] | Float[Array, "*B H W C"], height: int, width: int
) -> UInt8[Array, "*B height width C"] | Float[Array, "*B height width C"]:
    """Resizes to fit into height x width, linear with antialiasing, and pads with black; the odd pixel goes last.

    uint8 images round half to even; float32 images are in [-1, 1] and are clipped to it.
    Raises ValueError for another dtype.
    """
    if images.dtype not in (jnp.uint8, jnp.float32):
        raise ValueError(f"resize_with_pad: images must be uint8 or float32, got {images.dtype}")
    *batch, image_height, image_width, channels = images.shape
    ratio = max(image_width / width, image_height / height)
    new_height, new_width = int(image_height / ratio), int(image_width / ratio)
    resized = jax.image.resize(images, (*batch, new_height, new_width, channels), method="linear")
    if images.dtype == jnp.uint8:
        resized, black = jnp.clip(jnp.round(resized), 0, 255).astype(jnp.uint8), 0
    else:
        resized, black = jnp.clip(resized, -1.0, 1.0), -1.0
    top, left = (height - new_height) // 2, (width - new_width) // 2
    pad = [(top, height - new_height - top), (left, width - new_width - left), (0, 0)]
    return jnp.pad(resized, [(0, 0)] * len(batch) + pad, constant_values=black)
