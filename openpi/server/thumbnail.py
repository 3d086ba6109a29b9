"""The camera images of an observation, small enough for a page."""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

_MAX_SIDE = 240
_MIN_SIDE = 8  # Smaller arrays with three axes are no images.
_MAX_CAMERAS = 16
_MAX_DEPTH = 4
_CHANNELS = (1, 3)


def cameras(observation: Mapping[Any, Any]) -> dict[str, np.ndarray]:
    """Returns the images of an observation by name, `images/cam_high` for nested dicts; at most 16.

    Images are uint8, or floats in [0, 1] or [-1, 1], of shape [H, W, C] or [C, H, W] with 1 or 3 channels. Arrays are not
    copied.
    """
    found: dict[str, np.ndarray] = {}

    def look(value: Any, path: tuple[str, ...]) -> None:
        if isinstance(value, Mapping) and len(path) < _MAX_DEPTH:
            for key, item in value.items():
                look(item, (*path, key.decode(errors="replace") if isinstance(key, bytes) else str(key)))
        elif isinstance(value, np.ndarray) and _channel_axis(value) is not None and len(found) < _MAX_CAMERAS:
            found["/".join(path)] = value

    look(observation, ())
    return found


def png(image: np.ndarray) -> bytes:
    """Returns an image of `cameras` as PNG, every n-th pixel of it so that no side is longer than 240."""
    if _channel_axis(image) == 0:
        image = image.transpose(1, 2, 0)
    stride = -(-max(image.shape[:2]) // _MAX_SIDE)
    small = image[::stride, ::stride]
    if small.dtype != np.uint8:
        small = np.nan_to_num(small.astype(np.float32), posinf=0.0, neginf=0.0)
        if small.min() < 0:
            small = (small + 1) / 2
        small = (np.clip(small, 0, 1) * 255).round().astype(np.uint8)
    if small.shape[2] == 1:
        small = small[:, :, 0]
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(small)).save(file, "PNG", compress_level=1)
    return file.getvalue()


def _channel_axis(array: np.ndarray) -> int | None:
    """Which axis of an image holds its channels; None if the array is no image."""
    if array.ndim != 3 or not (array.dtype == np.uint8 or np.issubdtype(array.dtype, np.floating)):
        return None
    for axis in (2, 0):
        sides = array.shape[:2] if axis == 2 else array.shape[1:]
        if array.shape[axis] in _CHANNELS and min(sides) >= _MIN_SIDE:
            return axis
    return None
