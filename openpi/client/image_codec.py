"""Camera images as JPEG or PNG inside a message: a third to a thirtieth of the bytes, for robots behind a slow link.

A compressed image is a map with binary keys: `__openpi_image__`: "jpeg" or "png", `axes`: "hwc" or "chw", `data`: bin. It
stands where the uint8 array would. A server that reads them offers the formats in its metadata:
`{"openpi": {"image_formats": ["jpeg", "png"]}}`; to any other server none are sent.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from openpi.client import msgpack_numpy

KEY = b"__openpi_image__"
FORMATS = ("jpeg", "png")
_MAX_SIDE = 16_384
_AXES = {"hwc": (0, 1, 2), "chw": (2, 0, 1)}


def offered(metadata: Mapping[str, Any]) -> tuple[str, ...]:
    """The formats that a server's metadata offers, those that are known here."""
    entry = metadata.get("openpi")
    formats = entry.get("image_formats") if isinstance(entry, Mapping) else None
    return tuple(name for name in FORMATS if isinstance(formats, (list, tuple)) and name in formats)


def compress(tree: Any, image_format: str, *, quality: int = 95) -> Any:
    """Replaces every image in nested dicts and lists by its compressed map; everything else stays as it is.

    Args:
      tree: the observation; images are uint8 [H, W, 3] or [3, H, W].
      image_format: "png", which changes nothing, or "jpeg", which does.
      quality: of a JPEG, 1 to 100; its colours are kept at full resolution.
    """
    if image_format not in FORMATS:
        raise ValueError(f"image_format={image_format!r} is unknown; it is one of: {', '.join(FORMATS)}")
    if isinstance(tree, dict):
        return {key: compress(value, image_format, quality=quality) for key, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [compress(value, image_format, quality=quality) for value in tree]
    axes = _axes(tree)
    return tree if axes is None else _compress(tree, axes, image_format, quality)


def decompress(entry: Mapping[bytes, Any], *, max_bytes: int) -> np.ndarray:
    """The image that a compressed map stands for, uint8 [H, W, 3] or [3, H, W], read-only.

    Raises:
      DecodeError: it is none, or would take more than `max_bytes`: its header is checked before memory is taken for it.
    """
    image_format, axes, data = entry.get(KEY), entry.get(b"axes"), entry.get(b"data")
    if image_format not in FORMATS or axes not in tuple(_AXES) or not isinstance(data, bytes):
        raise msgpack_numpy.DecodeError(
            "a compressed image needs a format (jpeg, png), axes (hwc, chw) and data (bytes)"
        )
    try:
        with Image.open(io.BytesIO(data), formats=[image_format.upper()]) as picture:
            width, height = picture.size
            if max(width, height) > _MAX_SIDE or 3 * width * height > max_bytes:
                raise msgpack_numpy.DecodeError(f"an image of {width} × {height} pixels is too large")
            if picture.mode != "RGB":
                raise msgpack_numpy.DecodeError(f"a compressed image must be RGB with 8 bits, got mode {picture.mode}")
            image = np.asarray(picture).transpose(_AXES[axes])
    except msgpack_numpy.DecodeError:
        raise
    except UnidentifiedImageError:  # its text names an address in memory
        raise msgpack_numpy.DecodeError(f"not a {image_format} image: it does not begin as one") from None
    # Pillow's decoders raise what they like on damaged files.
    except Exception as error:  # noqa: BLE001
        raise msgpack_numpy.DecodeError(f"not a {image_format} image: {' '.join(str(error).split())}") from None
    image.flags.writeable = False
    return image


def _axes(value: Any) -> str | None:
    """How the axes of an image lie, None for what is no image."""
    if not isinstance(value, np.ndarray) or value.dtype != np.uint8 or value.ndim != 3:
        return None
    if min(value.shape) == 0 or max(value.shape) > _MAX_SIDE:
        return None
    return "hwc" if value.shape[2] == 3 else "chw" if value.shape[0] == 3 else None


def _compress(image: np.ndarray, axes: str, image_format: str, quality: int) -> dict[bytes, Any]:
    hwc = image if axes == "hwc" else image.transpose(1, 2, 0)
    options: dict[str, Any] = (
        {"quality": quality, "subsampling": 0} if image_format == "jpeg" else {"compress_level": 1}
    )
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(hwc)).save(buffer, image_format.upper(), **options)
    return {KEY: image_format, b"axes": axes, b"data": buffer.getvalue()}
