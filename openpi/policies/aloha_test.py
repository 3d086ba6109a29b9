import pathlib

import numpy as np
import pytest

from openpi.policies import aloha
from openpi.transforms import golden_cases

_DIRECTORY = pathlib.Path(__file__).parent / "testdata" / "aloha"


@pytest.mark.parametrize("case", golden_cases.load(_DIRECTORY, "AlohaInputs"), ids=lambda case: case.id)
def test_inputs_golden(case):
    golden_cases.run(case, lambda: aloha.AlohaInputs(**case.args))


@pytest.mark.parametrize("case", golden_cases.load(_DIRECTORY, "AlohaOutputs"), ids=lambda case: case.id)
def test_outputs_golden(case):
    golden_cases.run(case, lambda: aloha.AlohaOutputs(**case.args))


def test_grippers_golden():
    golden = np.load(_DIRECTORY / "arrays.npz")
    value = golden["aloha_gripper/value"]
    sample = _sample()
    # Both grippers of a row take the same value; the joints of ones show the flips.
    rows = np.ones((len(value), 14))
    rows[:, [6, 13]] = value[:, None]
    results = {
        "to_angular": np.stack([aloha.AlohaInputs()({**sample, "state": row})["state"] for row in rows]),
        "from_angular_inv": aloha.AlohaInputs()({**sample, "actions": rows})["actions"],
        "from_angular": aloha.AlohaOutputs()({"actions": rows})["actions"],
    }
    joints = [joint for joint in range(14) if joint not in (6, 13)]
    for name, result in results.items():
        np.testing.assert_allclose(result[:, 6], golden[f"aloha_gripper/{name}"], rtol=1e-12, err_msg=name)
        np.testing.assert_array_equal(result[:, 6], result[:, 13])
        np.testing.assert_array_equal(result[0, joints], golden["aloha_gripper/joint_flip_mask"][joints])


def test_actions_survive_the_way_into_the_model_and_back():
    actions = np.random.default_rng(0).uniform(size=(5, 14))
    inputs = aloha.AlohaInputs()({**_sample(), "actions": actions})
    np.testing.assert_allclose(aloha.AlohaOutputs()(inputs)["actions"], actions, atol=1e-12)


def test_example_is_accepted():
    example = aloha.make_aloha_example()
    inputs = aloha.AlohaInputs()(example)
    assert all(inputs["image_mask"].values())
    assert inputs["image"]["base_0_rgb"].shape == (224, 224, 3)
    np.testing.assert_array_equal(inputs["image"]["base_0_rgb"], example["images"]["cam_high"].transpose(1, 2, 0))


def _sample(**changes):
    return {"state": np.ones(14), "images": {"cam_high": np.zeros((3, 4, 6), np.uint8)}, **changes}


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        (_sample(state=np.ones(7)), r"'state' of an ALOHA robot must have 14 numbers, got shape \(7,\)"),
        (_sample(state=np.float64(1)), r"'state' .* got shape \(\)"),
        (_sample(actions=np.ones((5, 16))), r"'actions' .* got shape \(5, 16\)"),
        ({"images": _sample()["images"]}, "no 'state' in the ALOHA observation, which has: images"),
        ({"state": np.ones(14)}, "cam_high is missing; cameras in the sample: none"),
        (_sample(images={"cam_low": np.zeros((3, 4, 6))}), "cam_high is missing; cameras in the sample: cam_low"),
        (_sample(images={"cam_high": np.zeros((3, 4, 6)), "top": 0}), "unknown cameras: top; .*: cam_high, top"),
        (_sample(images={"cam_high": np.zeros((4, 6, 3), np.uint8)}), r"camera cam_high must be \[3, .* \(4, 6, 3\)"),
    ],
)
def test_bad_observations_are_named(sample, message):
    with pytest.raises(ValueError, match=message) as caught:
        aloha.AlohaInputs()(sample)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("shape", [(14,), (5, 13), (2, 5, 14)])
def test_bad_actions_are_named(shape):
    with pytest.raises(ValueError, match="actions for an ALOHA robot"):
        aloha.AlohaOutputs()({"actions": np.zeros(shape)})
