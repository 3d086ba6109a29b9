"""Resizing of camera images on the robot's side, with Pillow.

The result equals, byte by byte, what the published π0 client computes, so that a policy sees the pictures it was trained on.
"""

import numpy as np
from PIL import Image


def convert_to_uint8(image: np.ndarray) -> np.ndarray:
    """Turns floating images in [0, 1] into uint8 (255·x, truncated); returns any other dtype untouched."""
    if np.issubdtype(image.dtype, np.floating):
        return (255 * image).astype(np.uint8)
    return image


def resize_with_pad(
    images: np.ndarray, height: int, width: int, method: Image.Resampling = Image.Resampling.BILINEAR
) -> np.ndarray:
    """Resizes images to `height` × `width` pixels without distortion, on a black ground.

    Args:
      images: uint8 [..., H, W, 3 or 4] or one-channel [..., H, W, 1]; leading axes are kept. Images that already have the
        wanted size are returned untouched, whatever their dtype.
      height: rows of the result.
      width: columns of the result.
      method: Pillow's resampling filter; shrinking is antialiased.

    Returns:
      uint8 [..., height, width, C]; an odd pixel of padding goes to the bottom or the right.

    Raises:
      ValueError: the images are not uint8 or lack an axis.
    """
    if images.ndim < 3:
        raise ValueError(f"an image needs the axes [..., height, width, channels], got shape {images.shape}")
    if images.shape[-3:-1] == (height, width):
        return images
    if images.dtype != np.uint8:
        raise ValueError(f"images to resize must be uint8, got {images.dtype}; see image_tools.convert_to_uint8")
    flat = images.reshape(-1, *images.shape[-3:])
    resized = np.zeros((len(flat), height, width, flat.shape[-1]), np.uint8)
    for source, target in zip(flat, resized):
        _resize_into(source, target, method)
    return resized.reshape(*images.shape[:-3], height, width, images.shape[-1])


def fitted_size(height: int, width: int, target_height: int, target_width: int) -> tuple[int, int]:
    """(rows, columns) of an image of `height` × `width` that `resize_with_pad` has fitted into the target."""
    ratio = max(width / target_width, height / target_height)
    return int(height / ratio), int(width / ratio)


def resize(
    image: np.ndarray, height: int, width: int, method: Image.Resampling = Image.Resampling.BILINEAR
) -> np.ndarray:
    """Resizes one image, uint8 [H, W, C], to [height, width, C], whatever becomes of its proportions."""
    if image.shape[:2] == (height, width):
        return image
    channels = image.shape[2]
    picture = Image.fromarray(image[..., 0] if channels == 1 else image)
    return np.asarray(picture.resize((width, height), resample=method)).reshape(height, width, channels)


def _resize_into(source: np.ndarray, target: np.ndarray, method: Image.Resampling) -> None:
    """Fits `source` [H, W, C] into the middle of the black `target` [height, width, C], in place."""
    height, width = target.shape[:2]
    rows, columns = fitted_size(source.shape[0], source.shape[1], height, width)
    top, left = (height - rows) // 2, (width - columns) // 2
    target[top : top + rows, left : left + columns] = resize(source, rows, columns, method)
