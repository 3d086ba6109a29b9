"""ALOHA: two 6-joint arms with grippers, up to four cameras.

A state or action is [left joints ×6, left gripper, right joints ×6, right gripper], 14 numbers; a robot gives joints in its own
signs and gripper openings 0 (closed) … 1 (open). The π0 base models were trained on other signs and on angles for the
grippers; `adapt_to_pi` converts to and fro.
"""

import dataclasses

import numpy as np

from openpi.client import image_tools

_DIM = 14
_GRIPPERS = [6, 13]
_FLIP = np.array([1, -1, -1, 1, 1, 1, 1] * 2)

# The robot's camera → the model's. cam_low is accepted and not used.
_MODEL_CAMERAS = {
    "cam_high": "base_0_rgb",
    "cam_left_wrist": "left_wrist_0_rgb",
    "cam_right_wrist": "right_wrist_0_rgb",
}
_CAMERAS = (*_MODEL_CAMERAS, "cam_low")


@dataclasses.dataclass(frozen=True)
class AlohaInputs:
    """An ALOHA observation, or a row of an ALOHA dataset, as the models take it.

    In: `state` [14]; `images`: camera → [3, H, W], uint8 or float in [0, 1]; optional `actions` [H, 14], `prompt`.
    Out: `image`: model camera → uint8 [H, W, 3]; `image_mask`: model camera → bool (a missing wrist camera is black and
    masked); `state` [14]; `actions` and `prompt` if given.

    Attributes:
      adapt_to_pi: whether to convert to the base models' joint signs and gripper angles.
    """

    adapt_to_pi: bool = True

    def __call__(self, data: dict) -> dict:
        """Raises ValueError if a width is not 14, cam_high is missing, a camera is unknown or an image is not [3, H, W]."""
        images = _parse_images(data.get("images", {}))
        black = np.zeros_like(images["cam_high"])
        inputs = {
            "image": {theirs: images.get(ours, black) for ours, theirs in _MODEL_CAMERAS.items()},
            "image_mask": {theirs: np.bool_(ours in images) for ours, theirs in _MODEL_CAMERAS.items()},
            "state": self._adapt(data, "state", _gripper_to_angular),
        }
        if "actions" in data:
            inputs["actions"] = self._adapt(data, "actions", _gripper_from_angular_inv)
        if "prompt" in data:
            inputs["prompt"] = data["prompt"]
        return inputs

    def _adapt(self, data: dict, key: str, convert_gripper) -> np.ndarray:
        if key not in data:
            raise ValueError(f"no '{key}' in the ALOHA observation, which has: {', '.join(sorted(data))}")
        values = np.asarray(data[key])
        if values.ndim == 0 or values.shape[-1] != _DIM:
            raise ValueError(f"'{key}' of an ALOHA robot must have {_DIM} numbers, got shape {values.shape}")
        return _convert(values, convert_gripper) if self.adapt_to_pi else values


@dataclasses.dataclass(frozen=True)
class AlohaOutputs:
    """A model's `actions` [H, 14 or more] as an ALOHA robot's, [H, 14]; all other keys are dropped.

    Attributes:
      adapt_to_pi: as in AlohaInputs.
    """

    adapt_to_pi: bool = True

    def __call__(self, data: dict) -> dict:
        """Raises ValueError if the actions are not [H, 14 or more]."""
        actions = np.asarray(data["actions"])
        if actions.ndim != 2 or actions.shape[-1] < _DIM:
            raise ValueError(f"actions for an ALOHA robot must be [horizon, {_DIM} or more], got shape {actions.shape}")
        actions = actions[:, :_DIM]
        return {"actions": _convert(actions, _gripper_from_angular) if self.adapt_to_pi else actions}


def make_aloha_example(seed: int = 0) -> dict:
    """Returns a random observation of the right shapes, as a client would send it."""
    rng = np.random.default_rng(seed)
    images = {camera: rng.integers(256, size=(3, 224, 224), dtype=np.uint8) for camera in _CAMERAS}
    return {"state": np.ones(_DIM), "images": images, "prompt": "do something"}


def _parse_images(images: dict) -> dict[str, np.ndarray]:
    """Returns uint8 [H, W, 3] by camera."""
    unknown = sorted(set(images) - set(_CAMERAS))
    if unknown or "cam_high" not in images:
        what = f"unknown cameras: {', '.join(unknown)}" if unknown else "camera cam_high is missing"
        there = ", ".join(sorted(images)) or "none"
        raise ValueError(
            f"{what}; cameras in the sample: {there}; an ALOHA robot has cam_high and maybe {', '.join(_CAMERAS[1:])}"
        )
    return {camera: _parse_image(camera, np.asarray(image)) for camera, image in images.items()}


def _parse_image(camera: str, image: np.ndarray) -> np.ndarray:
    if image.ndim != 3 or image.shape[0] != 3:
        raise ValueError(f"image of camera {camera} must be [3, height, width], got shape {image.shape}")
    return image_tools.convert_to_uint8(image).transpose(1, 2, 0)


def _convert(values: np.ndarray, convert_gripper) -> np.ndarray:
    """Flips the joints [..., 14] to the other side's signs and converts the grippers."""
    converted = _FLIP * values
    converted[..., _GRIPPERS] = convert_gripper(converted[..., _GRIPPERS])
    return converted


def _gripper_to_angular(opening: np.ndarray) -> np.ndarray:
    """Linear opening 0 … 1 of the state → the base models' normalized angle.

    The finger positions 0.01844 … 0.05800 m, the horn of 22 mm and the arm of 36 mm are the ALOHA gripper's; 0.5476 … 1.6296 rad
    is the range of the models' gripper.
    """
    position = opening * (0.05800 - 0.01844) + 0.01844
    ratio = (0.022**2 + position**2 - 0.036**2) / (2 * 0.022 * position)
    return _normalize(np.arcsin(np.clip(ratio, -1.0, 1.0)), low=0.5476, high=1.6296)


def _gripper_from_angular(value: np.ndarray) -> np.ndarray:
    """A model's gripper action → the opening to command. Not the inverse of `_gripper_to_angular`: as published."""
    return _normalize(value + 0.5476, low=-0.6213, high=1.4910)


def _gripper_from_angular_inv(opening: np.ndarray) -> np.ndarray:
    """The inverse of `_gripper_from_angular`: a recorded gripper action → what the model should say."""
    return opening * (1.4910 - -0.6213) + -0.6213 - 0.5476


def _normalize(x: np.ndarray, *, low: float, high: float) -> np.ndarray:
    return (x - low) / (high - low)
