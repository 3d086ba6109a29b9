"""An observation of a described robot: found, checked and, for tests, made."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from openpi.client import robot_description


def find(observation: Mapping[str, Any], key: str) -> Any:
    """The value at a path, whose levels may be nested dicts or one key with "/" in it; None if there is none."""
    if key in observation:
        return observation[key]
    head, _, rest = key.partition("/")
    inner = observation.get(head)
    return find(inner, rest) if rest and isinstance(inner, Mapping) else None


def check_observation(robot: robot_description.RobotDescription, observation: Mapping[str, Any]) -> None:
    """Raises ValueError, in one line, for the first thing in an observation that a policy of this robot would not take."""
    state = read_state(robot, observation)
    if state.ndim != 1:
        raise ValueError(f"the state of one observation is [{len(robot.state_names)}] numbers; got {list(state.shape)}")
    if not np.isfinite(state).all():
        bad = [name for name, value in zip(robot.state_names, state) if not np.isfinite(value)]
        raise ValueError(f"the state is not finite: {', '.join(bad)}; send the robot's measurements as numbers")
    read_images(robot, observation)


def read_state(robot: robot_description.RobotDescription, observation: Mapping[str, Any]) -> np.ndarray:
    """The robot's own numbers [..., D]: one observation's, or a batch of them.

    Raises:
      ValueError: a part is missing, has another length or no numbers.
    """
    parts = [_read_part(robot, part, observation) for part in robot.state]
    # A part of one number may lack its axis: the others tell which axes are the batch's.
    lead = next((value.shape[:-1] for part, value in zip(robot.state, parts) if len(part.names) > 1), None)
    if lead is None:
        lead = np.shape(observation["actions"])[:-2] if "actions" in observation else ()
    return np.concatenate([_with_axis(robot, part, value, lead) for part, value in zip(robot.state, parts)], axis=-1)


def read_images(robot: robot_description.RobotDescription, observation: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Images of the observation that the model sees, by source: uint8 or floating, in a layout of the robot.

    Raises:
      ValueError: one is missing or no image, or the camera group holds an unknown one.
    """
    sources = [camera.source for camera in robot.cameras if camera.source]
    if robot.camera_group:
        known = [source.removeprefix(f"{robot.camera_group}/") for source in (*sources, *robot.ignored_cameras)]
        unknown = sorted(str(name) for name in _group(robot, observation) if name not in known)
        if unknown:
            raise ValueError(f"unknown cameras: {', '.join(unknown)}; a robot {robot.name!r} has: {', '.join(known)}")
    images = {source: find(observation, source) for source in sources}
    for camera in robot.cameras:
        if camera.missing == "error" and images[camera.source] is None:
            there = [source for source, image in images.items() if image is not None]
            raise ValueError(
                f"camera '{camera.source}' is missing; a robot {robot.name!r} needs it; cameras in the observation: "
                f"{', '.join(there) or 'none'}"
            )
    found = {source: np.asarray(image) for source, image in images.items() if image is not None}
    if not found:
        raise ValueError(f"no camera in the observation; a robot {robot.name!r} has: {', '.join(sources)}")
    for source, image in found.items():
        _check_image(robot, source, image)
    return found


def make_example(robot: robot_description.RobotDescription, rng: np.random.Generator) -> dict[str, Any]:
    """A random observation as a client of this robot sends it: every part and camera, 224 × 224 pixels, and a prompt."""
    shape = (3, 224, 224) if robot.image_layout == "chw" else (224, 224, 3)
    sources = [camera.source for camera in robot.cameras if camera.source]
    example: dict[str, Any] = {}
    for part in robot.state:
        _put(robot, example, part.key, rng.random(len(part.names)))
    for source in (*sources, *robot.ignored_cameras):
        _put(robot, example, source, rng.integers(256, size=shape, dtype=np.uint8))
    return {**example, "prompt": "do something"}


def _put(robot: robot_description.RobotDescription, example: dict[str, Any], key: str, value: np.ndarray) -> None:
    """A camera group is a dict; other paths are keys as they stand."""
    group, _, name = key.rpartition("/")
    if group and group == robot.camera_group:
        example.setdefault(group, {})[name] = value
    else:
        example[key] = value


def _group(robot: robot_description.RobotDescription, observation: Mapping[str, Any]) -> Mapping[str, Any]:
    group = find(observation, robot.camera_group)
    return group if isinstance(group, Mapping) else {}


def _read_part(
    robot: robot_description.RobotDescription, part: robot_description.StatePart, observation: Mapping[str, Any]
) -> np.ndarray:
    value = find(observation, part.key)
    if value is None:
        there = ", ".join(sorted(map(str, observation))) or "nothing"
        raise ValueError(f"no '{part.key}' in the observation of a robot {robot.name!r}, which has: {there}")
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"'{part.key}' must be numbers, got {array.dtype}; send it as a float array")
    return array


def _with_axis(
    robot: robot_description.RobotDescription,
    part: robot_description.StatePart,
    value: np.ndarray,
    lead: tuple[int, ...],
) -> np.ndarray:
    if value.shape == (*lead, len(part.names)):
        return value
    if len(part.names) == 1 and value.shape == lead:
        return value[..., None]
    raise _wrong_shape(robot, part, value)


def _wrong_shape(
    robot: robot_description.RobotDescription, part: robot_description.StatePart, value: np.ndarray
) -> ValueError:
    count = f"{len(part.names)} number{'s' if len(part.names) > 1 else ''}"
    return ValueError(
        f"'{part.key}' of a robot {robot.name!r} must have {count}, got shape {value.shape}; they are: {', '.join(part.names)}"
    )


def _check_image(robot: robot_description.RobotDescription, source: str, image: np.ndarray) -> None:
    picture = image.ndim == 3 and image.size > 0
    channels = (image.shape[:1], image.shape[-1:]) if robot.image_layout == "any" else (image.shape[:1],)
    if not picture or (3,) not in channels:
        layout = "[3, height, width]" if robot.image_layout == "chw" else "[height, width, 3] or [3, height, width]"
        raise ValueError(f"image of camera '{source}' must be {layout}, got shape {image.shape}")
    if image.dtype != np.uint8 and not np.issubdtype(image.dtype, np.floating):
        raise ValueError(f"image of camera '{source}' must be uint8, or floating in 0 … 1; got {image.dtype}")
    # A little beyond is what interpolation makes, and no harm: as a byte it is 0 or 255.
    if image.dtype != np.uint8 and not (image.min() > -1 / 255 and image.max() < 256 / 255):
        raise ValueError(
            f"image of camera '{source}' is {image.dtype} and not within 0 … 1; send it so, or as uint8 0 … 255"
        )
