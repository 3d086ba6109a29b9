"""What a robot is, as data: its numbers with their names and units, its cameras, and how a model wants them.

A configuration holds it as `config.data.robot`, a checkpoint with its configuration, and a server sends it to its clients as
`metadata["robot"]`: training, serving and the robot's computer read one and the same.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from openpi.client import plain_fields

IMAGE_LAYOUTS = ("chw", "any")
MISSING = ("error", "masked", "black")
# What else an observation or a row holds, under these keys.
_RESERVED = ("actions", "prompt", "openpi")
# Kind of conversion → its constants and how many numbers each has.
CONVERSIONS: Mapping[str, Mapping[str, int]] = {
    "flip": {},
    "degrees": {},
    "linear": {"robot": 2, "model": 2},
    "linkage": {"position": 2, "horn": 1, "arm": 1, "angle": 2},
}


@dataclasses.dataclass(frozen=True)
class StatePart:
    """An entry of the observation that is a part of the state.

    Attributes:
      key: its path in the observation, levels joined by "/".
      names: one for each of its numbers; a part of one number may be sent without axis.
    """

    key: str
    names: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Conversion:
    """From a robot's numbers to a model's, and back for actions.

    Attributes:
      kind: "flip": the other sign. "degrees": to radians. "linear": the two numbers `robot` become the two numbers `model`,
        others in proportion. "linkage": the opening 0 … 1 of a gripper whose finger stands at `position` (closed, open; m),
        driven by a horn and an arm (m), becomes the horn's angle as a fraction of `angle` (low, high; radians).
      dims: names of the numbers that it is applied to.
      constants: what the kind needs.
    """

    kind: str
    dims: tuple[str, ...]
    constants: Mapping[str, tuple[float, ...]]


@dataclasses.dataclass(frozen=True)
class Camera:
    """One image that the model sees.

    Attributes:
      image: the model's name of it.
      source: path of the robot's image in the observation, levels joined by "/"; "": this robot has none.
      missing: without an image: "error"; "masked": black, and left out of the attention; "black": black, and attended to.
    """

    image: str
    source: str
    missing: str


@dataclasses.dataclass(frozen=True)
class RobotDescription:
    """A robot.

    Attributes:
      name: for people and messages.
      state: the parts of the state, concatenated in this order.
      state_conversions: applied to the state in this order.
      actions: a name for each number of an action.
      action_conversions: applied to actions on their way into the model in this order; undone in reverse on the way out.
      delta_mask: of the first actions, which the model sees relative to the state of the same name; () = none.
      cameras: what the model sees.
      ignored_cameras: paths of images that may be there and are not used.
      camera_group: dict of the observation that may hold none but these images; "" = anything else is ignored.
      image_layout: "chw": images are [3, H, W]; "any": that or [H, W, 3].
    """

    name: str
    state: tuple[StatePart, ...]
    state_conversions: tuple[Conversion, ...]
    actions: tuple[str, ...]
    action_conversions: tuple[Conversion, ...]
    delta_mask: tuple[bool, ...]
    cameras: tuple[Camera, ...]
    ignored_cameras: tuple[str, ...]
    camera_group: str
    image_layout: str

    @property
    def state_names(self) -> tuple[str, ...]:
        """A name for each number of the state."""
        return tuple(name for part in self.state for name in part.names)


def from_dict(values: Mapping[str, Any], where: str = "robot") -> RobotDescription:
    """Reads a description from plain data; sequences may be lists or tuples.

    Args:
      values: the fields of RobotDescription; parts, conversions and cameras are dicts, the constants of a conversion among its
        fields.
      where: what errors call it, e.g. "config.data.robot".

    Raises:
      ValueError: a field is missing, unknown, of another type, or contradicts another.
    """
    plain_fields.check_fields(values, [field.name for field in dataclasses.fields(RobotDescription)], where)
    description = RobotDescription(
        name=plain_fields.text(values["name"], f"{where}.name"),
        state=tuple(_state_part(part, at) for at, part in plain_fields.entries(values["state"], f"{where}.state")),
        state_conversions=_conversions(values["state_conversions"], f"{where}.state_conversions"),
        actions=plain_fields.texts(values["actions"], f"{where}.actions"),
        action_conversions=_conversions(values["action_conversions"], f"{where}.action_conversions"),
        delta_mask=tuple(
            plain_fields.flag(flag, at)
            for at, flag in plain_fields.entries(values["delta_mask"], f"{where}.delta_mask")
        ),
        cameras=tuple(
            _camera(camera, at) for at, camera in plain_fields.entries(values["cameras"], f"{where}.cameras")
        ),
        ignored_cameras=plain_fields.texts(values["ignored_cameras"], f"{where}.ignored_cameras"),
        camera_group=plain_fields.text(values["camera_group"], f"{where}.camera_group", empty=True),
        image_layout=plain_fields.choice(values["image_layout"], IMAGE_LAYOUTS, f"{where}.image_layout"),
    )
    _check(description, where)
    return description


def _check(robot: RobotDescription, where: str) -> None:
    """What fields say of each other."""
    if not robot.state or not robot.actions:
        raise ValueError(f"{where}.state and {where}.actions must not be empty: name each number of the robot")
    keys = [part.key for part in robot.state]
    plain_fields.check_unique((*keys, *_RESERVED), f"{where}.state: key")
    plain_fields.check_unique(robot.state_names, f"{where}.state: name")
    plain_fields.check_unique(robot.actions, f"{where}.actions: name")
    for field, names in (("state", robot.state_names), ("action", robot.actions)):
        for index, conversion in enumerate(getattr(robot, f"{field}_conversions")):
            plain_fields.check_unique(conversion.dims, f"{where}.{field}_conversions[{index}].dims: name")
            if unknown := [name for name in conversion.dims if name not in names]:
                raise ValueError(
                    f"{where}.{field}_conversions[{index}].dims names {unknown[0]!r}; the {field} has: {', '.join(names)}"
                )
    _check_delta(robot, where)
    _check_cameras(robot, where)


def _check_delta(robot: RobotDescription, where: str) -> None:
    most = min(len(robot.actions), len(robot.state_names))
    if len(robot.delta_mask) > most:
        raise ValueError(
            f"{where}.delta_mask has {len(robot.delta_mask)} entries, the robot {len(robot.actions)} actions and "
            f"{len(robot.state_names)} state numbers: {most} at the most"
        )
    for index, relative in enumerate(robot.delta_mask):
        action, state = robot.actions[index], robot.state_names[index]
        if relative and action != state:
            raise ValueError(
                f"{where}.delta_mask[{index}] makes action {action!r} relative to state {state!r}: bring both into one "
                "order, or give them one name"
            )
        if relative and _steps(action, robot.action_conversions) != _steps(state, robot.state_conversions):
            raise ValueError(
                f"{where}.delta_mask[{index}] makes action {action!r} relative to a state of another sign or unit: give both "
                "the same conversions"
            )


def _steps(name: str, conversions: tuple[Conversion, ...]) -> list[tuple[str, Mapping[str, tuple[float, ...]]]]:
    return [(conversion.kind, conversion.constants) for conversion in conversions if name in conversion.dims]


def _check_cameras(robot: RobotDescription, where: str) -> None:
    sources = tuple(camera.source for camera in robot.cameras if camera.source)
    if not sources:
        raise ValueError(f"{where}.cameras has no camera with a source: the models need an image to look at")
    plain_fields.check_unique((camera.image for camera in robot.cameras), f"{where}.cameras: image")
    sources += robot.ignored_cameras
    plain_fields.check_unique(sources, f"{where}.cameras and ignored_cameras: source")
    for index, camera in enumerate(robot.cameras):
        if not camera.source and camera.missing == "error":
            raise ValueError(
                f"{where}.cameras[{index}] ({camera.image}) has no source and missing='error': no observation would do; "
                "choose 'masked' or 'black'"
            )
    group = robot.camera_group
    if outside := [source for source in sources if group and not source.startswith(f"{group}/")]:
        raise ValueError(
            f"{where}.camera_group={group!r} does not hold the camera {outside[0]!r}: name it '{group}/...'"
        )


def _state_part(values: Any, where: str) -> StatePart:
    plain_fields.check_fields(values, ("key", "names"), where)
    names = plain_fields.texts(values["names"], f"{where}.names")
    if not names:
        raise ValueError(f"{where}.names is empty: name each number of {values['key']!r}")
    return StatePart(plain_fields.text(values["key"], f"{where}.key"), names)


def _camera(values: Any, where: str) -> Camera:
    plain_fields.check_fields(values, ("image", "source", "missing"), where)
    return Camera(
        plain_fields.text(values["image"], f"{where}.image"),
        plain_fields.text(values["source"], f"{where}.source", empty=True),
        plain_fields.choice(values["missing"], MISSING, f"{where}.missing"),
    )


def _conversions(values: Any, where: str) -> tuple[Conversion, ...]:
    return tuple(_conversion(entry, at) for at, entry in plain_fields.entries(values, where))


def _conversion(values: Any, where: str) -> Conversion:
    if not isinstance(values, Mapping) or "kind" not in values:
        raise ValueError(f"{where}={values!r:.80} must be a dict with a 'kind': {', '.join(CONVERSIONS)}")
    kind = plain_fields.choice(values["kind"], tuple(CONVERSIONS), f"{where}.kind")
    plain_fields.check_fields(values, ("kind", "dims", *CONVERSIONS[kind]), where)
    constants = {
        name: plain_fields.numbers(values[name], n, f"{where}.{name}") for name, n in CONVERSIONS[kind].items()
    }
    for name, numbers in constants.items():
        if len(numbers) == 2 and numbers[0] == numbers[1]:
            raise ValueError(f"{where}.{name}={numbers} must be two different numbers")
        if kind == "linkage" and name != "angle" and min(numbers) <= 0:
            raise ValueError(f"{where}.{name}={numbers} must be positive, in metres")
    if kind == "linkage" and constants["arm"] <= constants["horn"]:
        raise ValueError(
            f"{where}.arm={constants['arm'][0]} must be longer than its horn={constants['horn'][0]}: else an angle has two "
            "openings"
        )
    return Conversion(kind, plain_fields.texts(values["dims"], f"{where}.dims"), constants)
