"""At what size images are kept, so that a model which resizes them later sees the same bytes as without a cache."""

import dataclasses
from collections.abc import Iterator

import numpy as np

from openpi.client import image_tools


@dataclasses.dataclass(frozen=True)
class StoredSize:
    """How an image of `source` (height, width) is kept for a model that takes squares of `image_size`."""

    height: int
    width: int
    image_size: int  # 0: kept as recorded
    padded: bool = False  # to the square, black beside it

    @property
    def name(self) -> str:
        """Part of a file's name."""
        return f"{self.height}x{self.width}{'-padded' if self.padded else ''}"

    def store(self, image: np.ndarray) -> np.ndarray:
        """uint8 [H, W, 3] as recorded → [height, width, 3]."""
        if self.padded:
            return image_tools.resize_with_pad(image, self.height, self.width)
        return image_tools.resize(image, self.height, self.width)


def choose(height: int, width: int, image_size: int, *, even: bool = False) -> StoredSize:
    """The smallest way to keep images of `height` × `width` of which `resize_with_pad` makes the same squares.

    Args:
      height: of the recorded images.
      width: of the recorded images.
      image_size: of the model's squares; 0 keeps the images as they are.
      even: whether both sides have to be even, as video needs it.

    Raises:
      ValueError: no way is even.
    """
    ways = [way for way in _ways(height, width, image_size) if not even or way.height % 2 == way.width % 2 == 0]
    if not ways:
        raise ValueError(
            f"images of {height}x{width} for a model of {image_size}: video needs even sizes; set config.data.cache='frames'"
        )
    return min(ways, key=lambda way: way.height * way.width)


def _ways(height: int, width: int, image_size: int) -> Iterator[StoredSize]:
    yield StoredSize(height, width, image_size)
    if image_size:
        fitted = image_tools.fitted_size(height, width, image_size, image_size)
        if (
            min(fitted) > 0 and image_tools.fitted_size(*fitted, image_size, image_size) == fitted
        ):  # then resized once only
            yield StoredSize(*fitted, image_size)
        yield StoredSize(image_size, image_size, image_size, padded=True)
