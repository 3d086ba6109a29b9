"""Camera images at the model's resolution."""

import dataclasses

from openpi.client import image_tools


@dataclasses.dataclass(frozen=True)
class ResizeImages:
    """Resizes every entry of `image`, uint8 [H, W, 3], to `height` × `width` without distortion, on a black ground."""

    height: int
    width: int

    def __call__(self, data: dict) -> dict:
        images = {
            name: image_tools.resize_with_pad(image, self.height, self.width) for name, image in data["image"].items()
        }
        return {**data, "image": images}
