import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openpi.client import robot_description, robot_observation


def _robot(layout="any", group=""):
    folder = f"{group}/" if group else "view/"
    return robot_description.from_dict(
        {
            "name": "arm",
            "state": [{"key": "arm/joints", "names": ["a", "b", "c"]}, {"key": "grip", "names": ["grip"]}],
            "state_conversions": [],
            "actions": ["a", "b", "c", "grip"],
            "action_conversions": [],
            "delta_mask": [],
            "cameras": [
                {"image": "base_0_rgb", "source": f"{folder}front", "missing": "error"},
                {"image": "left_wrist_0_rgb", "source": f"{folder}wrist", "missing": "masked"},
                {"image": "right_wrist_0_rgb", "source": "", "missing": "masked"},
            ],
            "ignored_cameras": [f"{folder}back"],
            "camera_group": group,
            "image_layout": layout,
        }
    )


_HWC = np.zeros((4, 5, 3), np.uint8)


def _observation(**changes):
    whole = {"arm": {"joints": np.arange(3.0)}, "grip": 0.5, "view": {"front": _HWC}, **changes}
    return {key: value for key, value in whole.items() if value is not None}


@pytest.mark.parametrize("layout", robot_description.IMAGE_LAYOUTS)
@pytest.mark.parametrize("group", ["", "images"])
def test_examples_pass_the_check_and_are_never_twice_the_same(layout, group):
    robot, rng = _robot(layout, group), np.random.default_rng(0)
    first, second = (robot_observation.make_example(robot, rng) for _ in range(2))
    robot_observation.check_observation(robot, first)
    front = robot_observation.read_images(robot, first)[f"{group or 'view'}/front"]
    assert front.shape == ((3, 224, 224) if layout == "chw" else (224, 224, 3))
    assert first["prompt"] == "do something"
    if group:
        assert sorted(first["images"]) == ["back", "front", "wrist"]
    assert (robot_observation.read_state(robot, first) != robot_observation.read_state(robot, second)).any()


@pytest.mark.parametrize(
    "observation",
    [
        _observation(),
        _observation(arm=None, **{"arm/joints": [0.0, 1.0, 2.0]}),
        _observation(grip=np.array([0.5])),
        _observation(grip=np.float32(0.5), extra=np.zeros(3)),
        _observation(view={"front": np.zeros((3, 4, 5), np.float32), "back": "anything"}),
        _observation(view=None, **{"view/front": _HWC, "view/wrist": np.ones((4, 5, 3))}),
    ],
)
def test_paths_may_be_nested_or_flat_and_a_single_number_bare(observation):
    robot = _robot()
    robot_observation.check_observation(robot, observation)
    assert robot_observation.read_state(robot, observation).tolist() == [0, 1, 2, 0.5]
    assert "view/front" in robot_observation.read_images(robot, observation)


@pytest.mark.parametrize(
    ("observation", "message"),
    [
        ({}, "no 'arm/joints' in the observation of a robot 'arm', which has: nothing"),
        (_observation(grip=None), "no 'grip' in the observation of a robot 'arm', which has: arm, view"),
        (_observation(grip=[0.5, 1]), r"'grip' of a robot 'arm' must have 1 number, got shape \(2,\); they are: grip"),
        (_observation(arm={"joints": np.zeros(4)}), r"'arm/joints' .* 3 numbers, got shape \(4,\); they are: a, b, c"),
        (_observation(arm={"joints": 3.0}), r"'arm/joints' .* got shape \(\)"),
        (
            _observation(arm={"joints": ["x", "y", "z"]}),
            "'arm/joints' must be numbers, got <U1; send it as a float array",
        ),
        (
            _observation(arm={"joints": np.zeros((2, 3))}, grip=[0, 0]),
            r"of one observation is \[4\] numbers; got \[2, 4\]",
        ),
        (_observation(arm={"joints": [0, np.nan, 1]}, grip=np.inf), "the state is not finite: b, grip; send"),
        (_observation(view={}), "camera 'view/front' is missing; a robot 'arm' needs it; cameras .*: none"),
        (_observation(view={"wrist": _HWC}), "'view/front' is missing; .*; cameras in the observation: view/wrist"),
        (_observation(view={"front": _HWC[0]}), r"'view/front' must be \[height, width, 3\] or \[3, .* \(5, 3\)"),
        (_observation(view={"front": np.zeros((3, 0, 5))}), r"'view/front' must be .*, got shape \(3, 0, 5\)"),
        (_observation(view={"front": np.zeros((4, 5, 4))}), r"'view/front' must be .*, got shape \(4, 5, 4\)"),
        (_observation(view={"front": _HWC.astype(np.int64)}), "'view/front' must be uint8, or floating .*; got int64"),
        (_observation(view={"front": _HWC + 255.0}), "'view/front' is float64 and not within 0 … 1; send it so, or as"),
        (_observation(view={"front": _HWC * np.nan}), "'view/front' is float64 and not within 0 … 1"),
    ],
)
def test_what_is_wrong_is_told_before_it_is_sent(observation, message):
    with pytest.raises(ValueError, match=message) as caught:
        robot_observation.check_observation(_robot(), observation)
    assert "\n" not in str(caught.value)


_anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc/", max_size=3), inner, max_size=3),
    max_leaves=6,
)


@settings(deadline=None)
@given(key=st.sampled_from(["arm", "grip", "view"]), value=_anything, inner=st.sampled_from(["", "joints", "front"]))
def test_whatever_is_sent_is_taken_or_told(key, value, inner):
    observation = _observation(**{key: {inner: value} if inner else value})
    try:
        robot_observation.check_observation(_robot(), observation)
    except ValueError as error:
        assert "\n" not in str(error)


def test_a_camera_group_holds_no_strangers():
    robot = _robot("chw", "images")
    image = np.zeros((3, 4, 5), np.uint8)
    observation = {"arm": {"joints": np.zeros(3)}, "grip": 0, "images": {"front": image, "back": image}, "other": image}
    robot_observation.check_observation(robot, observation)
    observation["images"]["top"] = image
    with pytest.raises(ValueError, match="unknown cameras: top; a robot 'arm' has: front, wrist, back"):
        robot_observation.check_observation(robot, observation)
    observation["images"] = {"front": _HWC}
    with pytest.raises(ValueError, match=r"'images/front' must be \[3, height, width\], got shape \(4, 5, 3\)"):
        robot_observation.check_observation(robot, observation)


def test_a_batch_of_states_whose_parts_are_all_single_numbers_has_the_axes_of_its_actions():
    robot = robot_description.from_dict(
        {
            "name": "slide",
            "state": [{"key": "x", "names": ["x"]}, {"key": "y", "names": ["y"]}],
            "state_conversions": [],
            "actions": ["x"],
            "action_conversions": [],
            "delta_mask": [],
            "cameras": [{"image": "base_0_rgb", "source": "front", "missing": "error"}],
            "ignored_cameras": [],
            "camera_group": "",
            "image_layout": "any",
        }
    )
    batch = {"x": np.arange(5), "y": np.arange(5)[:, None], "actions": np.zeros((5, 4, 1))}
    assert robot_observation.read_state(robot, batch).shape == (5, 2)
    assert robot_observation.read_state(robot, {"x": 1, "y": np.array([2])}).tolist() == [1, 2]


def test_a_part_of_two_numbers_tells_the_axes_of_a_batch():
    description = dataclasses.replace(
        _robot(), state=(robot_description.StatePart("xy", ("x", "y")), _robot().state[1])
    )
    batch = {"xy": np.arange(10.0).reshape(5, 2), "grip": np.arange(5.0)}
    np.testing.assert_array_equal(robot_observation.read_state(description, batch)[:, 2], np.arange(5.0))


def test_of_cameras_that_may_all_be_missing_one_must_be_there():
    cameras = tuple(dataclasses.replace(camera, missing="masked") for camera in _robot().cameras)
    with pytest.raises(ValueError, match="no camera in the observation; a robot 'arm' has: view/front, view/wrist"):
        robot_observation.read_images(dataclasses.replace(_robot(), cameras=cameras), {"view": {}})
