import dataclasses
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openpi.client import robot_description


def _arm(**changes):
    """A robot with a joint in degrees that counts the other way, a gripper, and a camera."""
    conversions = [{"kind": "degrees", "dims": ["joint"]}, {"kind": "flip", "dims": ["joint"]}]
    gripper = {"kind": "linear", "dims": ["grip"], "robot": [85, 5], "model": [0, 1]}
    return {
        "name": "arm",
        "state": [{"key": "joints", "names": ["joint"]}, {"key": "hand/opening", "names": ["grip"]}],
        "state_conversions": conversions,
        "actions": ["joint", "grip"],
        "action_conversions": [*conversions, gripper],
        "delta_mask": [True, False],
        "cameras": [
            {"image": "base_0_rgb", "source": "images/front", "missing": "error"},
            {"image": "left_wrist_0_rgb", "source": "", "missing": "masked"},
        ],
        "ignored_cameras": ["images/back"],
        "camera_group": "images",
        "image_layout": "any",
        **changes,
    }


def test_reads_plain_data():
    robot = robot_description.from_dict(_arm())
    assert robot.state_names == robot.actions == ("joint", "grip")
    assert robot.action_conversions[2].constants == {"robot": (85.0, 5.0), "model": (0.0, 1.0)}
    assert robot.cameras[1] == robot_description.Camera("left_wrist_0_rgb", "", "masked")
    assert robot.delta_mask == (True, False)


def test_json_and_tuples_are_the_same_robot():
    as_json = json.loads(json.dumps(_arm()))
    as_tuples = {key: tuple(value) if isinstance(value, list) else value for key, value in _arm().items()}
    assert robot_description.from_dict(as_json) == robot_description.from_dict(as_tuples)
    with pytest.raises(dataclasses.FrozenInstanceError):
        robot_description.from_dict(as_json).name = "other"


def _conversion(**fields):
    return _arm(state_conversions=[{"kind": "linear", "dims": ["grip"], "robot": [0, 1], "model": [1, 0]} | fields])


_LINKAGE = {"kind": "linkage", "dims": ["grip"], "position": [0.1, 0.2], "horn": 0.1, "arm": 0.2, "angle": [0, 1]}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ("aloha", "robot='aloha' must be a dict of name, state"),
        ({}, "robot lacks the field 'name'; it needs: name, state"),
        (_arm(joints=6), "robot has an unknown field 'joints'; there are: name, state"),
        (_arm(name=""), "robot.name='' must be a non-empty text"),
        (_arm(state=[]), "robot.state and robot.actions must not be empty"),
        (_arm(actions=[], delta_mask=[], action_conversions=[]), "robot.actions must not be empty"),
        (_arm(state="joints"), "robot.state='joints' must be a list"),
        (_arm(state=[{"key": "joints"}]), r"robot.state\[0\] lacks the field 'names'"),
        (
            _arm(state=[{"key": "joints", "names": []}]),
            r"robot.state\[0\].names is empty: name each number of 'joints'",
        ),
        (_arm(state=[{"key": "joints", "names": ["joint", 3]}]), r"robot.state\[0\].names\[1\]=3 must be a non-empty"),
        (_arm(state=[{"key": "prompt", "names": ["joint"]}]), "robot.state: key 'prompt' appears twice"),
        (_arm(actions=["joint", "joint"]), "robot.actions: name 'joint' appears twice"),
        (_conversion(kind="scale"), r"state_conversions\[0\].kind='scale' is unknown; it is one of: flip, degrees"),
        (_arm(state_conversions=["flip"]), r"state_conversions\[0\]='flip' must be a dict with a 'kind': flip"),
        (_conversion(scale=3), r"state_conversions\[0\] has an unknown field 'scale'; there are: kind, dims, robot"),
        (_conversion(dims=["elbow"]), r"state_conversions\[0\].dims names 'elbow'; the state has: joint, grip"),
        (_conversion(dims=["grip", "grip"]), r"state_conversions\[0\].dims: name 'grip' appears twice"),
        (_conversion(robot=[3, 3]), r"state_conversions\[0\].robot=\(3.0, 3.0\) must be two different numbers"),
        (_conversion(model=[0]), r"state_conversions\[0\].model=\[0\] must be 2 finite numbers"),
        (_conversion(model=[0, float("nan")]), r"model=\[0, nan\] must be 2 finite numbers"),
        (
            _arm(state_conversions=[{**_LINKAGE, "arm": 0}]),
            r"state_conversions\[0\].arm=\(0.0,\) must be positive, in m",
        ),
        (
            _arm(state_conversions=[{**_LINKAGE, "horn": "x"}]),
            r"state_conversions\[0\].horn='x' must be 1 finite number$",
        ),
        (
            _arm(state_conversions=[{**_LINKAGE, "arm": 0.1}]),
            r"state_conversions\[0\].arm=0.1 must be longer than its horn=0.1: else",
        ),
        (
            _arm(state_conversions=[{"dims": ["grip"]}]),
            r"state_conversions\[0\]=\{'dims': \['grip'\]\} must be a dict with",
        ),
        (_arm(delta_mask=[True, 1]), r"robot.delta_mask\[1\]=1 must be True or False"),
        (_arm(delta_mask=[True] * 3), "robot.delta_mask has 3 entries, the robot 2 actions and 2 state numbers"),
        (
            _arm(delta_mask=[True, True]),
            r"delta_mask\[1\] makes action 'grip' relative to a state of another sign or unit",
        ),
        (_arm(actions=["grip", "joint"]), r"delta_mask\[0\] makes action 'grip' relative to state 'joint': bring both"),
        (_arm(cameras=[]), "robot.cameras has no camera with a source"),
        (_arm(cameras=[_arm()["cameras"][0]] * 2), "robot.cameras: image 'base_0_rgb' appears twice"),
        (_arm(ignored_cameras=["images/front"]), "cameras and ignored_cameras: source 'images/front' appears twice"),
        (_arm(camera_group="pictures"), "camera_group='pictures' does not hold the camera 'images/front': name it"),
        (_arm(image_layout="hwc"), "robot.image_layout='hwc' is unknown; it is one of: chw, any"),
        (
            _arm(cameras=[*_arm()["cameras"], {"image": "x", "source": "", "missing": "error"}]),
            r"robot.cameras\[2\] \(x\) has no source and missing='error': no observation would do; choose",
        ),
        (
            _arm(cameras=[{"image": "x", "source": "images/front", "missing": "no"}]),
            r"robot.cameras\[0\].missing='no' is unknown; it is one of: error, masked, black",
        ),
    ],
)
def test_what_is_wrong_is_one_line_that_names_field_value_and_remedy(values, message):
    with pytest.raises(ValueError, match=message) as caught:
        robot_description.from_dict(values)
    assert "\n" not in str(caught.value)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@settings(deadline=None)
@given(
    field=st.sampled_from(sorted(_arm())),
    inner=st.none() | st.text("key names kind dims image", max_size=5),
    value=_json,
)
def test_whatever_a_server_says_is_taken_or_told(field, inner, value):
    changed = [{**entry, inner: value} for entry in _arm()[field] if isinstance(entry, dict)] if inner else value
    try:
        robot_description.from_dict(_arm(**{field: changed}))
    except ValueError as error:
        assert str(error).startswith("robot")


def test_errors_call_it_as_told():
    with pytest.raises(ValueError, match=r"config.data.robot.cameras\[0\] lacks the field 'source'"):
        robot_description.from_dict(_arm(cameras=[{"image": "x"}]), "config.data.robot")
