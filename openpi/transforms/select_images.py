"""Leaves only the cameras that the model encodes, before anything is spent on the others."""

import dataclasses
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True)
class SelectImages:
    """Drops entries of `image` and `image_mask` that are not named.

    Attributes:
      image_keys: the model's camera names.
    """

    image_keys: Sequence[str]

    def __call__(self, data: dict) -> dict:
        """Raises ValueError if a camera is missing."""
        missing = sorted(set(self.image_keys) - set(data["image"]))
        if missing:
            raise ValueError(
                f"config.model.image_keys names cameras that the robot's inputs lack: {', '.join(missing)};"
                f" there are: {', '.join(sorted(data['image']))}"
            )
        return {
            **data,
            "image": {key: data["image"][key] for key in self.image_keys},
            "image_mask": {key: data["image_mask"][key] for key in self.image_keys},
        }
