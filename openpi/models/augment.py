"""Training-time image augmentation: random crop, small rotation and colour jitter.

Equal, key by key, to the augmentation that the published models were trained with (augmax 0.4.1, with its defaults for
hue and probability). Its saturation jitter draws a number and then has no effect, unless asked for here.
"""

import functools
import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from openpi.models import microbatch

_CROP = 0.95  # share of each side that a random crop keeps
_MAX_ROTATION = math.radians(5)
_BRIGHTNESS, _CONTRAST, _HUE = 0.3, 0.4, 0.1
_JITTER_PROBABILITY = 0.5


def augment(
    rng: Key[Array, ""],
    images: Float[Array, "B H W 3"],
    *,
    geometry: bool,
    saturation: float = 0.0,
    part: microbatch.Microbatch = microbatch.WHOLE,
) -> Float[Array, "B H W 3"]:
    """Augments each image in [-1, 1] with a key of its own.

    Args:
        rng: consumed. The same key gives the same jitter and movement to another camera's images.
        images: in [-1, 1]; the result may leave this range a little.
        geometry: also crop and rotate (not for wrist cameras, which move with the arm).
        saturation: largest relative change of the saturation in the jitter; the published models had none.
        part: of which batch the images are which part.
    """
    keys = part.of(jax.random.split(rng, part.total(images.shape[0])))
    one = functools.partial(_augment_one, geometry=geometry, saturation=saturation)
    return jax.vmap(one)(keys, images / 2.0 + 0.5) * 2.0 - 1.0


def _augment_one(key, image, *, geometry, saturation):
    if geometry:
        geometry_key, colour_key = jax.random.split(key, 2)
        image = _crop_and_rotate(geometry_key, image)
    else:
        (colour_key,) = jax.random.split(key, 1)
    return _jitter_colours(jax.random.split(colour_key, 1)[0], image, saturation)


def _crop_and_rotate(key: jax.Array, image: Float[Array, "H W 3"]) -> Float[Array, "H W 3"]:
    """Random crop, resize back and rotation in one bilinear resampling; black where the input does not reach."""
    crop_key, _, rotation_key = jax.random.split(key, 3)
    height, width, _ = image.shape
    crop_height, crop_width = int(height * _CROP), int(width * _CROP)
    limit = jnp.array([height - crop_height, width - crop_width]) / 2
    shift_y, shift_x = jax.random.uniform(crop_key, (2,), minval=-limit, maxval=limit)
    angle = jax.random.uniform(rotation_key, minval=-_MAX_ROTATION, maxval=_MAX_ROTATION)

    middle_y, middle_x = (height - 1) / 2, (width - 1) / 2
    y, x = jnp.arange(height)[:, None] - middle_y, jnp.arange(width)[None, :] - middle_x
    y, x = jnp.cos(angle) * y + jnp.sin(angle) * x, -jnp.sin(angle) * y + jnp.cos(angle) * x
    y, x = y * (crop_height / height) + shift_y, x * (crop_width / width) + shift_x
    return _sample_bilinear(image, y + middle_y, x + middle_x)


def _sample_bilinear(
    image: Float[Array, "H W 3"], y: Float[Array, "H W"], x: Float[Array, "H W"]
) -> Float[Array, "H W 3"]:
    """Pixels at fractional places; outside the image is 0."""
    height, width, _ = image.shape
    flat = image.reshape(height * width, -1)
    top, left = jnp.floor(y), jnp.floor(x)
    out = jnp.zeros_like(image)
    for row, weight_y in ((top, 1 - (y - top)), (top + 1, y - top)):
        for column, weight_x in ((left, 1 - (x - left)), (left + 1, x - left)):
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            index = jnp.clip(row, 0, height - 1) * width + jnp.clip(column, 0, width - 1)
            weight = jnp.where(inside, weight_y * weight_x, 0.0)
            out += flat[index.astype(jnp.int32)] * weight[..., None]
    return out


def _jitter_colours(key: jax.Array, image: Float[Array, "H W 3"], max_saturation: float) -> Float[Array, "H W 3"]:
    """Brightness, contrast, hue and saturation in HSV, or, half of the time, nothing."""
    limits = (_BRIGHTNESS, _CONTRAST, _HUE, max_saturation)
    brightness, contrast, hue, saturation = (
        jax.random.uniform(k, minval=-limit, maxval=limit) for k, limit in zip(jax.random.split(key, 5), limits)
    )
    h, s, v = _rgb_to_hsv(image)
    v = jnp.where(brightness < 0, v * (1 + brightness), v * (1 - brightness) + brightness)
    if max_saturation:
        s = jnp.minimum(s * (1 + saturation), 1.0)
    jittered = _hsv_to_rgb(h + hue, s, _change_contrast(v, contrast))
    return jnp.where(jax.random.bernoulli(key, _JITTER_PROBABILITY), jittered, image)


def _change_contrast(v: Float[Array, "H W"], contrast: Float[Array, ""]) -> Float[Array, "H W"]:
    """A steep (or flat) middle with two branches that meet 0 and 1."""
    slope = jnp.tan((contrast + 1) * math.pi / 4)
    low = (slope - slope**2) / (2 * (1 - slope**2))
    dark, bright = v / slope, v / slope + 1 - 1 / slope
    return jnp.where(v < low, dark, jnp.where(v > 1 - low, bright, slope * (v - 0.5) + 0.5))


def _rgb_to_hsv(image: Float[Array, "H W 3"]) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Hue on the unit circle, saturation, value."""
    r, g, b = image[..., 0], image[..., 1], image[..., 2]
    v = jnp.maximum(jnp.maximum(r, g), b)
    spread = v - jnp.minimum(jnp.minimum(r, g), b)
    safe = jnp.where(spread == 0, 1.0, spread)
    # The largest channel (the first of equals) sets the sector.
    sector = jnp.where((r >= g) & (r >= b), (g - b) / safe, jnp.where(g >= b, 2 + (b - r) / safe, 4 + (r - g) / safe))
    h = jnp.where(spread == 0, 0.0, sector / 6)
    s = jnp.where(v == 0, 0.0, spread / jnp.where(v == 0, 1.0, v))
    return h, s, v


def _hsv_to_rgb(h: jax.Array, s: jax.Array, v: jax.Array) -> Float[Array, "H W 3"]:
    channels = []
    for n in (5, 3, 1):
        k = (n + h * 6) % 6
        channels.append(v - v * s * jnp.clip(jnp.minimum(k, 4 - k), 0, 1))
    return jnp.stack(channels, axis=-1)
