import json

import pytest

from openpi.config import json_file, load, robots, schema, table


@pytest.mark.parametrize("name", table.CONFIG_TABLE)
def test_round_trip(tmp_path, name):
    config = load.load(table.config_path(name))
    path = tmp_path / "config.json"
    path.write_text(json_file.dumps(config))
    again = json_file.load(path)
    assert json_file.dumps(again) == json_file.dumps(config)
    assert again.model == config.model
    assert again.is_locked


@pytest.mark.parametrize("model", schema.MODELS)
def test_every_type_of_model_comes_back(tmp_path, model):
    config = schema.base_config("mine")
    config.model = schema.MODELS[model](language="small_lora")
    config.model.augmentation = "corrected"
    (tmp_path / "config.json").write_text(json_file.dumps(config))
    assert json_file.load(tmp_path / "config.json").model == config.lock().model


def test_fields_that_an_older_file_lacks_get_their_defaults(tmp_path):
    (tmp_path / "config.json").write_text('{"name": "old", "batch_size": 3}')
    config = json_file.load(tmp_path / "config.json")
    assert (config.batch_size, config.seed) == (3, 42)


@pytest.mark.parametrize(("former", "now"), [(True, "full"), (False, "none"), ("dots", "dots")])
def test_rematerialisation_that_was_on_or_off_becomes_a_policy(tmp_path, former, now):
    (tmp_path / "config.json").write_text(json.dumps({"name": "old", "model": {"remat": former}}))
    assert json_file.load(tmp_path / "config.json").model.remat == now


@pytest.mark.parametrize("model", schema.MODELS)
def test_every_robot_comes_back(tmp_path, model):
    for robot in (robots.droid(model), robots.libero(model, delta=True), robots.ur5(model), robots.aloha()):
        config = schema.base_config("mine", schema.MODELS[model](), robot)
        (tmp_path / "config.json").write_text(json_file.dumps(config))
        assert json_file.load(tmp_path / "config.json") == config.lock()


@pytest.mark.parametrize(
    ("former", "robot"),
    [
        ({"robot": "aloha", "adapt_to_pi": False, "use_delta_joint_actions": True}, robots.aloha(adapt_to_pi=False)),
        ({"robot": "aloha", "adapt_to_pi": True, "use_delta_joint_actions": False}, robots.aloha(delta=False)),
        ({"use_delta_joint_actions": False}, robots.aloha(delta=False)),
        ({"robot": "aloha"}, robots.aloha()),
        ({}, robots.aloha()),
    ],
)
def test_a_robot_by_name_as_files_once_had_it_becomes_its_description(tmp_path, former, robot):
    (tmp_path / "config.json").write_text(
        json.dumps({"name": "old", "data": {**former, "cache_frames": True, "repo_id": "mine"}})
    )
    config = json_file.load(tmp_path / "config.json")
    assert config.data.robot.to_dict() == robot.to_dict() and config.data.repo_id == "mine"


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("{", "line 1: not JSON"),
        ("[]", "not an openpi configuration"),
        ('{"name": 3}', "not an openpi configuration"),
        ('{"name": "a", "bath_size": 3}', "unknown field 'bath_size'"),
        ('{"name": "a", "model": {"widht": 3}}', "unknown field 'model.widht'"),
        ('{"name": "a", "batch_size": "many"}', "'batch_size' has the wrong type"),
        ('{"name": "a", "data": {"robot": "droid"}}', "'data.robot' has the wrong type"),
        ('{"name": "a", "model": 3}', "'model' has the wrong type"),
        ('{"name": "a", "model": {"type": 3}}', "'model.type' has the wrong type"),
    ],
)
def test_a_bad_file_is_named(tmp_path, text, match):
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=match) as error:
        json_file.load(path)
    assert str(path) in str(error.value)


def test_bytes_that_are_no_text(tmp_path):
    (tmp_path / "config.json").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="not a text file"):
        json_file.load(tmp_path / "config.json")


def test_it_is_plain_json():
    values = json.loads(json_file.dumps(load.load("experiments/aloha.py")))
    assert values["name"] == "aloha_reach"
    assert values["data"]["repack"]["images"]["cam_high"] == "observation.images.cam_high"
