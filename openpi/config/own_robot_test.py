"""The README of the experiments describes a robot that nobody programmed: it works as it stands."""

import pathlib

import numpy as np
import pytest

from openpi.client import robot_observation
from openpi.config import build_transforms, load, validate
from openpi.testing import readme

_README = pathlib.Path(__file__).parents[2] / "experiments/README.md"


@pytest.fixture
def config(tmp_path):
    (block,) = readme.blocks(_README.read_text(encoding="utf-8"))
    (tmp_path / "my_robot.py").write_text(block.code)
    config = load.load(str(tmp_path / "my_robot.py"))
    validate.validate(config)
    config.tokenizer.update(path="small", vocab_size=2000)
    return config


def test_a_row_of_its_dataset_becomes_a_model_input_and_its_actions_come_back(config):
    row = {
        "observation.joints": np.array([0, 90, -90, 45, 10], np.float32),
        "observation.gripper": np.float32(42.5),
        "observation.images.front": np.full((3, 480, 640), 9, np.uint8),
        "observation.images.wrist": np.full((3, 480, 640), 7, np.uint8),
        "action": np.tile(np.array([0, 91, -91, 45, 10, 85], np.float32), (50, 1)),
        "task": "pick up the nut",
    }
    transforms = build_transforms.build(config)
    out = transforms.training(None, {})(row)
    np.testing.assert_allclose(out["state"][:6], np.deg2rad([0, 90, 90, 45, 10, np.rad2deg(0.5)]), atol=1e-7)
    np.testing.assert_allclose(out["actions"][0, :6], np.deg2rad([0, 1, 1, 0, 0, 0]), atol=1e-6)
    assert [bool(out["image_mask"][key]) for key in config.model.image_keys] == [True, True, False]
    back = transforms.inference_output(None)({"state": out["state"], "actions": out["actions"]})
    np.testing.assert_allclose(back["actions"], row["action"], atol=1e-4)


def test_its_client_needs_the_description_alone(config):
    robot = build_transforms.robot_of(config)
    example = robot_observation.make_example(robot, np.random.default_rng(0))
    robot_observation.check_observation(robot, example)
    assert build_transforms.build(config).inference_input(None)(example)["state"].shape == (32,)
    del example["wrist"]
    robot_observation.check_observation(robot, example)
    del example["front"]
    with pytest.raises(ValueError, match="camera 'front' is missing; a robot 'my_robot' needs it"):
        robot_observation.check_observation(robot, example)
