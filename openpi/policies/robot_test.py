import pathlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from openpi.client import robot_description, robot_observation
from openpi.config import robots
from openpi.policies import robot
from openpi.transforms import contract, golden_cases

_DIRECTORY = pathlib.Path(__file__).parent / "testdata" / "robots"
# Published name → the description that does the same.
_ROBOTS = {"Aloha": robots.aloha, "Droid": robots.droid, "Libero": robots.libero}
_CASES = [
    (name, direction, case)
    for name in _ROBOTS
    for direction in ("Inputs", "Outputs")
    for case in golden_cases.load(_DIRECTORY, name + direction)
]


def _describe(config):
    return robot_description.from_dict(config.to_dict())


@pytest.mark.parametrize(("name", "direction", "case"), _CASES, ids=lambda value: getattr(value, "id", value))
def test_golden(name, direction, case):
    args = case.args or ({} if name == "Aloha" else {"model_type": "pi0"})
    description = _describe(_ROBOTS[name](**args))
    golden_cases.run(case, lambda: getattr(robot, f"Robot{direction}")(description))


def test_aloha_grippers_golden():
    golden = np.load(_DIRECTORY / "arrays.npz", allow_pickle=False)
    value, aloha = golden["aloha_gripper/value"], _describe(robots.aloha())
    # Both grippers of a row take the same value; the joints of ones show the flips.
    rows = np.ones((len(value), 14))
    rows[:, [6, 13]] = value[:, None]
    inputs = robot.RobotNumbers(aloha)({"state": rows, "actions": rows[:, None]})
    results = {
        "to_angular": inputs["state"],
        "from_angular_inv": inputs["actions"][:, 0],
        "from_angular": robot.RobotOutputs(aloha)({"actions": rows})["actions"],
    }
    joints = [joint for joint in range(14) if joint not in (6, 13)]
    for name, result in results.items():
        np.testing.assert_allclose(result[:, 6], golden[f"aloha_gripper/{name}"], rtol=1e-12, atol=1e-12, err_msg=name)
        np.testing.assert_array_equal(result[:, 6], result[:, 13])
        np.testing.assert_array_equal(result[0, joints], golden["aloha_gripper/joint_flip_mask"][joints])


# A robot that nobody programmed: two cameras, five joints in degrees of which one counts the other way, and a parallel
# gripper whose opening is in millimetres.
_JOINTS = tuple(f"j{number}" for number in range(1, 6))
_INVENTED = robots.robot(
    name="picker",
    state=(robots.part("arm", *_JOINTS), robots.part("hand/opening", "grip")),
    state_conversions=(robots.degrees(*_JOINTS), robots.flip("j2"), robots.gripper("grip", open=85.0, closed=5.0)),
    actions=(*_JOINTS, "grip"),
    action_conversions=(robots.degrees(*_JOINTS), robots.flip("j2"), robots.gripper("grip", open=85.0, closed=5.0)),
    delta_mask=robots.mask(5, -1),
    cameras=(
        robots.camera("base_0_rgb", "front"),
        robots.camera("left_wrist_0_rgb", "hand/eye", missing="masked"),
        robots.camera("right_wrist_0_rgb", missing="masked"),
    ),
)


def test_a_new_robot_is_a_configuration_and_no_code():
    picker = _describe(_INVENTED)
    front = np.full((4, 6, 3), 0.5, np.float32)
    observation = {
        "arm": np.array([0, 90, -180, 30, 45], np.float32),
        "hand": {"opening": 5.0, "eye": np.full((3, 4, 6), 7, np.uint8)},
        "front": front,
        "actions": np.array([[0, 90, 180, 0, 0, 85], [1, 2, 3, 4, 5, 45]], np.float32),
    }
    out = robot.RobotInputs(picker)(observation)
    np.testing.assert_allclose(out["state"], [0, -np.pi / 2, -np.pi, np.pi / 6, np.pi / 4, 1])
    np.testing.assert_allclose(out["actions"][0], [0, -np.pi / 2, np.pi, 0, 0, 0], atol=1e-12)
    np.testing.assert_allclose(out["actions"][1, 5], 0.5)
    assert {key: bool(value) for key, value in out["image_mask"].items()} == {
        "base_0_rgb": True,
        "left_wrist_0_rgb": True,
        "right_wrist_0_rgb": False,
    }
    assert (out["image"]["base_0_rgb"] == 127).all() and (out["image"]["left_wrist_0_rgb"] == 7).all()
    assert not out["image"]["right_wrist_0_rgb"].any()
    padded = np.pad(out["actions"], ((0, 0), (0, 26)))
    np.testing.assert_allclose(
        robot.RobotOutputs(picker)({"actions": padded})["actions"], observation["actions"], atol=1e-12
    )


_ALL = [
    *(
        pytest.param(make(model_type), id=f"{make.__name__}-{model_type}")
        for model_type in ("pi0", "pi05", "pi0_fast")
        for make in (robots.droid, robots.libero, robots.ur5)
    ),
    pytest.param(robots.aloha(), id="aloha"),
    pytest.param(robots.aloha(adapt_to_pi=False), id="aloha-own-units"),
    pytest.param(_INVENTED, id="invented"),
]


@pytest.mark.parametrize("config", _ALL)
def test_examples_of_every_robot_go_in_and_their_actions_come_back(config):
    description, rng = _describe(config), np.random.default_rng(0)
    sample = robot_observation.make_example(description, rng)
    robot_observation.check_observation(description, sample)
    sample["actions"] = rng.random((5, len(description.actions)))
    inputs = contract.check(robot.RobotInputs(description), sample)
    assert list(inputs["image"]) == list(inputs["image_mask"]) == list(robots.image_keys(config))
    assert all(image.shape == (224, 224, 3) and image.dtype == np.uint8 for image in inputs["image"].values())
    assert inputs["state"].shape == (len(description.state_names),) and inputs["prompt"] == "do something"
    outputs = contract.check(robot.RobotOutputs(description), inputs)
    np.testing.assert_allclose(outputs["actions"], sample["actions"], atol=1e-12)


@pytest.mark.parametrize("config", _ALL)
@settings(deadline=None, max_examples=20)
@given(data=st.data(), rows=st.integers(1, 3), horizon=st.integers(1, 3))
def test_a_batch_of_numbers_is_its_rows_stacked(config, data, rows, horizon):
    description = _describe(config)
    widths = {part.key: len(part.names) for part in description.state}
    number = st.floats(0, 1, width=32)

    def draw(*shape):
        return data.draw(hnp.arrays(np.float32, shape, elements=number))

    samples = [
        {key: draw(width) for key, width in widths.items()} | {"actions": draw(horizon, len(description.actions))}
        for _ in range(rows)
    ]
    numbers, outputs = robot.RobotNumbers(description), robot.RobotOutputs(description)
    contract.check_batch(numbers, samples)
    contract.check_batch(outputs, [{"actions": numbers(sample)["actions"]} for sample in samples])
    tables = {key: np.stack([sample[key] for sample in samples]) for key in samples[0]}
    np.testing.assert_allclose(outputs(numbers(tables))["actions"], tables["actions"], atol=1e-6)
    # As a table may hold it, a part of one number has no axis of its own.
    narrow = {key: value[:, 0] if widths.get(key) == 1 else value for key, value in tables.items()}
    golden_cases.assert_equal(numbers(narrow), numbers(tables))


def test_a_missing_or_invented_image_is_black():
    for model_type, attended in (("pi0", False), ("pi0_fast", True)):
        sample = robot_observation.make_example(_describe(robots.libero(model_type)), np.random.default_rng(0))
        out = robot.RobotInputs(_describe(robots.libero(model_type)))(sample)
        assert not out["image"]["right_wrist_0_rgb"].any()
        assert out["image_mask"]["right_wrist_0_rgb"] == attended


@pytest.mark.parametrize("prompt", [b"pick", np.asarray(b"pick"), np.asarray("pick"), "pick"])
def test_prompts_of_bytes_are_text(prompt):
    droid = _describe(robots.droid("pi0"))
    sample = {**robot_observation.make_example(droid, np.random.default_rng(0)), "prompt": prompt}
    assert str(robot.RobotInputs(droid)(sample)["prompt"]) == "pick"
    with pytest.raises(ValueError, match="no UTF-8 text .* at byte 1"):
        robot.RobotInputs(droid)({**sample, "prompt": b"a\xff"})


@pytest.mark.parametrize("shape", [(14,), (5, 13), (5, 15)])
def test_actions_of_another_width_are_named(shape):
    aloha = _describe(robots.aloha())
    with pytest.raises(ValueError, match=r"'actions' of a robot 'aloha' must be \[horizon, 14\], got shape"):
        robot.RobotNumbers(aloha)({"state": np.ones(14), "actions": np.ones(shape)})
    if shape != (5, 15):
        with pytest.raises(ValueError, match=r"actions for a robot 'aloha' must be \[horizon, 14 or more\]"):
            robot.RobotOutputs(aloha)({"actions": np.zeros(shape)})


def test_pictures_of_bytes_in_floats_are_refused_and_those_a_little_beyond_are_not():
    picker, view = _describe(_INVENTED), np.full((4, 6, 3), 0.5, np.float32)
    observation = {"arm": np.zeros(5), "hand": {"opening": 5.0}, "front": view}
    for least, most in ((-0.003, 1.003), (0.0, 1.0)):
        view[0, 0, 0], view[0, 0, 1] = least, most
        out = robot.RobotInputs(picker)(observation)
        assert out["image"]["base_0_rgb"][0, 0].tolist() == [0, 255, 127]
    for bad in (255.0, 1.004, -0.004, np.nan):
        view[0, 0, 0] = bad
        with pytest.raises(
            ValueError, match="image of camera 'front' is float32 and not within 0 … 1; send it so, or as"
        ):
            robot.RobotInputs(picker)(observation)
