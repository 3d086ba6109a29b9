"""Robots as data: what `config.data.robot` holds, for the released robots and for yours.

Each is a ConfigDict with the fields of `openpi/client/robot_description.py`, where they are explained. `robot(...)` makes one of
few words, from the parts below.
"""

from collections.abc import Sequence
from typing import Any

from ml_collections import config_dict

ConfigDict = config_dict.ConfigDict

_ARM = ("waist", "shoulder", "elbow", "forearm_roll", "wrist_angle", "wrist_rotate", "gripper")
_ALOHA = tuple(f"{side}_{joint}" for side in ("left", "right") for joint in _ARM)
_ALOHA_GRIPPERS = ("left_gripper", "right_gripper")
_SEVEN_JOINTS = tuple(f"joint_{number}" for number in range(1, 8))
_POSE = ("x", "y", "z", "rx", "ry", "rz")
_UR5_JOINTS = ("shoulder_pan", "shoulder_lift", "elbow", "wrist_1", "wrist_2", "wrist_3")


def robot(
    *,
    name: str,
    state: Sequence[dict[str, Any]],
    actions: Sequence[str],
    cameras: Sequence[dict[str, str]],
    state_conversions: Sequence[dict[str, Any]] = (),
    action_conversions: Sequence[dict[str, Any]] = (),
    delta_mask: Sequence[bool] = (),
    ignored_cameras: Sequence[str] = (),
    camera_group: str = "",
    image_layout: str = "any",
) -> ConfigDict:
    """A robot of your own; the released ones below are examples."""
    return ConfigDict(
        {
            "name": name,
            "state": tuple(state),  # parts of the state, in order: see `part`
            "state_conversions": tuple(
                state_conversions
            ),  # to the model's signs and units: see `flip` and those below it
            "actions": tuple(actions),  # a name for each number of an action
            "action_conversions": tuple(action_conversions),  # the same for actions; undone on the way out
            "delta_mask": tuple(delta_mask),  # actions that the model sees relative to the state; () = none: see `mask`
            "cameras": tuple(cameras),  # see `camera`
            "ignored_cameras": tuple(ignored_cameras),  # images that may be sent and are not used
            "camera_group": camera_group,  # a dict that holds these images and no others; "" = others are ignored
            "image_layout": image_layout,  # "chw": [3, H, W]; "any": that or [H, W, 3]
        }
    )


def part(key: str, *names: str) -> dict[str, Any]:
    """An entry of the observation that is a part of the state, with a name for each of its numbers."""
    return {"key": key, "names": names}


def camera(image: str, source: str = "", missing: str = "error") -> dict[str, str]:
    """The model's `image` is the robot's `source`; without one: "error", "masked", or "black" (attended to, as in FAST)."""
    return {"image": image, "source": source, "missing": missing}


def mask(*dims: int) -> tuple[bool, ...]:
    """n Trues for each positive n, |n| Falses for each negative one: `mask(6, -1)` is six joints and a gripper."""
    return tuple(dim > 0 for dim in dims for _ in range(abs(dim)))


def flip(*names: str) -> dict[str, Any]:
    """These count the other way round than the model's."""
    return {"kind": "flip", "dims": names}


def degrees(*names: str) -> dict[str, Any]:
    """These are degrees; the models think in radians."""
    return {"kind": "degrees", "dims": names}


def linear(*names: str, robot: tuple[float, float], model: tuple[float, float]) -> dict[str, Any]:
    """The robot's two numbers are the model's two; others in proportion."""
    return {"kind": "linear", "dims": names, "robot": robot, "model": model}


def gripper(*names: str, open: float, closed: float) -> dict[str, Any]:
    """The robot's numbers of an open and a closed gripper (e.g. millimetres) → 0 and 1, as the base models know grippers."""
    return linear(*names, robot=(open, closed), model=(0.0, 1.0))


def aloha(*, adapt_to_pi: bool = True, delta: bool = True) -> ConfigDict:
    """ALOHA: two 6-joint arms with grippers 0 (closed) … 1 (open), one to four cameras.

    Args:
      adapt_to_pi: convert to the joint signs and gripper angles of the released base models.
      delta: joints relative to the state; grippers stay absolute.
    """
    flipped = flip(*(f"{side}_{joint}" for side in ("left", "right") for joint in ("shoulder", "elbow")))
    # The finger moves from 18.44 to 58 mm, driven by a horn of 22 mm and an arm of 36 mm; the models' gripper turns from
    # 0.5476 to 1.6296 rad.
    to_angle = {
        "kind": "linkage",
        "dims": _ALOHA_GRIPPERS,
        "position": (0.01844, 0.05800),
        "horn": 0.022,
        "arm": 0.036,
        "angle": (0.5476, 1.6296),
    }
    # Actions are the angle of ALOHA's own motor, -0.6213 to 1.4910 rad, which is not the state's unit: as published.
    from_angle = linear(*_ALOHA_GRIPPERS, robot=(0.0, 1.0), model=(-0.6213 - 0.5476, 1.4910 - 0.5476))
    return robot(
        name="aloha",
        state=(part("state", *_ALOHA),),
        state_conversions=(flipped, to_angle) if adapt_to_pi else (),
        actions=_ALOHA,
        action_conversions=(flipped, from_angle) if adapt_to_pi else (),
        delta_mask=mask(6, -1, 6, -1) if delta else (),
        cameras=(
            camera("base_0_rgb", "images/cam_high"),
            camera("left_wrist_0_rgb", "images/cam_left_wrist", missing="masked"),
            camera("right_wrist_0_rgb", "images/cam_right_wrist", missing="masked"),
        ),
        ignored_cameras=("images/cam_low",),
        camera_group="images",
        image_layout="chw",
    )


def droid(model_type: str, *, joint_positions: bool = False) -> ConfigDict:
    """DROID: a Franka arm with a gripper, 0 (open) … 1 (closed); one camera beside it and one on the wrist.

    Args:
      model_type: "pi0", "pi05" or "pi0_fast", which has other images.
      joint_positions: whether actions are joint positions, learned relative to the state, instead of joint velocities.
    """
    base, wrist = "observation/exterior_image_1_left", "observation/wrist_image_left"
    fast = (camera("base_0_rgb", base), camera("base_1_rgb", missing="black"), camera("wrist_0_rgb", wrist))
    return robot(
        name="droid",
        state=(part("observation/joint_position", *_SEVEN_JOINTS), part("observation/gripper_position", "gripper")),
        actions=(*_SEVEN_JOINTS, "gripper"),
        delta_mask=mask(7, -1) if joint_positions else (),
        cameras=fast if model_type == "pi0_fast" else _two_cameras(model_type, base, wrist),
    )


def libero(model_type: str, *, delta: bool = False) -> ConfigDict:
    """LIBERO's simulated Franka arm: pose of the hand and two fingers; actions move the hand and the gripper.

    Args:
      model_type: "pi0", "pi05" or "pi0_fast".
      delta: subtract the state's pose from the actions, which are movements already: as the released π0 models learned.
    """
    return robot(
        name="libero",
        state=(part("observation/state", *_POSE, "finger_left", "finger_right"),),
        actions=(*_POSE, "gripper"),
        delta_mask=mask(6, -1) if delta else (),
        cameras=_two_cameras(model_type, "observation/image", "observation/wrist_image"),
    )


def ur5(model_type: str, *, delta: bool = True) -> ConfigDict:
    """A UR5 arm with a gripper, one camera before it and one on the wrist; joints relative to the state if `delta`."""
    return robot(
        name="ur5",
        state=(part("joints", *_UR5_JOINTS), part("gripper", "gripper")),
        actions=(*_UR5_JOINTS, "gripper"),
        delta_mask=mask(6, -1) if delta else (),
        cameras=_two_cameras(model_type, "base_rgb", "wrist_rgb"),
    )


def image_keys(robot: ConfigDict) -> tuple[str, ...]:
    """The model's images of a robot, in order, for `config.model.image_keys`."""
    return tuple(camera["image"] for camera in robot.cameras)


def _two_cameras(model_type: str, base: str, wrist: str) -> tuple[dict[str, str], ...]:
    """The third image is black: left out of the attention, except in FAST, as published."""
    none = "black" if model_type == "pi0_fast" else "masked"
    return (
        camera("base_0_rgb", base),
        camera("left_wrist_0_rgb", wrist),
        camera("right_wrist_0_rgb", missing=none),
    )
