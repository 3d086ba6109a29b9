"""What a model sees: camera images, the robot's state and the prompt."""

from collections.abc import Mapping
from typing import Any

import flax.struct
import numpy as np
from jaxtyping import Array, Bool, Float, Int

_TOKEN_FIELDS = ("tokenized_prompt", "tokenized_prompt_mask", "token_ar_mask", "token_loss_mask")


@flax.struct.dataclass
class Observation:
    """One batch of inputs; a pytree. `L` is the prompt length, `s` the state width."""

    images: dict[str, Float[Array, "*B H W 3"]]  # by camera, in [-1, 1]
    image_masks: dict[str, Bool[Array, "*B"]]  # by camera; False: leave this image out
    state: Float[Array, "*B s"]  # normalised, padded to the model's action_dim
    tokenized_prompt: Int[Array, "*B L"] | None = None
    tokenized_prompt_mask: Bool[Array, "*B L"] | None = None  # False: padding
    token_ar_mask: Int[Array, "*B L"] | None = None  # 1: this token begins a causal block (autoregressive models)
    token_loss_mask: Bool[Array, "*B L"] | None = None  # True: this token counts in the loss (autoregressive models)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Observation":
        """Observation from the dictionary that transforms and loaders make (`image`, `image_mask`, `state`, ...).

        uint8 images are scaled to [-1, 1]; images of another dtype are taken as scaled. Works on numpy and jax arrays;
        call it inside jit to keep the transfer to the device small. Other keys (`actions`) are ignored.

        Raises:
            ValueError: for a missing key, or a prompt without its mask or the reverse.
        """
        for key in ("image", "image_mask", "state"):
            if key not in data:
                raise ValueError(f"observation: key {key!r} is missing; given: {sorted(data)}")
        tokens = {name: data.get(name) for name in _TOKEN_FIELDS}
        if (tokens["tokenized_prompt"] is None) != (tokens["tokenized_prompt_mask"] is None):
            raise ValueError("observation: give tokenized_prompt and tokenized_prompt_mask together, or neither")
        return cls(
            images={name: _to_float(image) for name, image in data["image"].items()},
            image_masks=dict(data["image_mask"]),
            state=data["state"],
            **tokens,
        )

    def to_dict(self) -> dict[str, Any]:
        """The dictionary form; keys that are not in use are None."""
        return {
            "image": dict(self.images),
            "image_mask": dict(self.image_masks),
            "state": self.state,
            **{name: getattr(self, name) for name in _TOKEN_FIELDS},
        }


def _to_float(image):
    return image.astype(np.float32) / 255.0 * 2.0 - 1.0 if image.dtype == np.uint8 else image
