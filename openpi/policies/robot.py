"""Any robot's observations as the models take them, and the models' actions as the robot takes them, by its description."""

import dataclasses

import numpy as np

from openpi.client import image_tools, robot_description, robot_observation
from openpi.policies import conversions


@dataclasses.dataclass(frozen=True)
class RobotNumbers:
    """State and actions of an observation, a dataset's row or a batch of rows; all else is dropped.

    In: the parts of the state, each [..., D of it]; optional `actions` [..., H, A]; `...` is nothing or a batch axis.
    Out: `state` [..., D], `actions` [..., H, A] if given, in the model's signs and units.
    """

    robot: robot_description.RobotDescription

    def __call__(self, data: dict) -> dict:
        """Raises ValueError if a part is missing or a length is not the robot's."""
        robot = self.robot
        state = robot_observation.read_state(robot, data)
        numbers = {"state": conversions.to_model(state, robot.state_names, robot.state_conversions)}
        if "actions" in data:
            actions = np.asarray(data["actions"])
            if actions.ndim < 2 or actions.shape[-1] != len(robot.actions):
                raise ValueError(
                    f"'actions' of a robot {robot.name!r} must be [horizon, {len(robot.actions)}], got shape {actions.shape}"
                )
            numbers["actions"] = conversions.to_model(actions, robot.actions, robot.action_conversions)
        return numbers


@dataclasses.dataclass(frozen=True)
class RobotInputs:
    """An observation or a dataset's row as the models take it.

    In: what RobotNumbers takes, without batch axis; images, uint8 or floating in 0 … 1; optional `prompt`.
    Out: `image`: the model's name → uint8 [H, W, 3]; `image_mask`: name → bool; `state`, `actions`; `prompt` if given, bytes
    as text.
    """

    robot: robot_description.RobotDescription

    def __call__(self, data: dict) -> dict:
        """Raises ValueError if something is missing, or is not what the robot's description says."""
        images = {
            source: _as_model_image(image) for source, image in robot_observation.read_images(self.robot, data).items()
        }
        black = np.zeros_like(next(iter(images.values())))
        cameras = self.robot.cameras
        inputs = {
            "image": {camera.image: images.get(camera.source, black) for camera in cameras},
            "image_mask": {
                camera.image: np.bool_(camera.source in images or camera.missing == "black") for camera in cameras
            },
            **RobotNumbers(self.robot)(data),
        }
        if "prompt" in data:
            inputs["prompt"] = _as_text(data["prompt"])
        return inputs


@dataclasses.dataclass(frozen=True)
class RobotOutputs:
    """A model's `actions` [..., H, A or more] as the robot's, [..., H, A]; all other keys are dropped."""

    robot: robot_description.RobotDescription

    def __call__(self, data: dict) -> dict:
        """Raises ValueError if the model has fewer actions than the robot."""
        names = self.robot.actions
        actions = np.asarray(data["actions"])
        if actions.ndim < 2 or actions.shape[-1] < len(names):
            raise ValueError(
                f"actions for a robot {self.robot.name!r} must be [horizon, {len(names)} or more], got shape {actions.shape}"
            )
        return {"actions": conversions.to_robot(actions[..., : len(names)], names, self.robot.action_conversions)}


def _as_model_image(image: np.ndarray) -> np.ndarray:
    """[3, H, W] or [H, W, 3] → uint8 [H, W, 3]."""
    image = image_tools.convert_to_uint8(image)
    return image.transpose(1, 2, 0) if image.shape[0] == 3 else image


def _as_text(prompt):
    """Bytes, also as a 0-d array, as text; anything else as it is."""
    if isinstance(prompt, np.ndarray) and prompt.dtype.kind in "SO" and prompt.ndim == 0:
        prompt = prompt.item()
    if not isinstance(prompt, bytes):
        return prompt
    try:
        return prompt.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"the prompt is no UTF-8 text ({error.reason} at byte {error.start})") from error
