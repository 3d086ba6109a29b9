"""JPEG and PNG bytes → pixels, their size checked before they are decoded."""

import io

import numpy as np
import PIL.Image


def decode(data: bytes, shape: tuple[int, ...]) -> np.ndarray:
    """The image, uint8 [H, W, 3].

    Args:
      data: a JPEG or PNG file.
      shape: the (H, W, 3) that it must have; -1 allows any size.

    Raises:
      ValueError: it cannot be decoded, or has another size.
    """
    try:
        with PIL.Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
            if any(
                size not in (-1, actual) for size, actual in zip(shape, (image.height, image.width, 3), strict=True)
            ):
                raise ValueError(f"has {image.height}x{image.width} pixels, and {shape[0]}x{shape[1]} are declared")
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, PIL.Image.DecompressionBombError) as error:
        raise ValueError(f"cannot be decoded ({error})") from None
