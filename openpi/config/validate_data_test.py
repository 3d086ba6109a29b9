import pytest

from openpi.config import load, robots, schema, table, validate, validate_data


def _reach():
    return load.load("experiments/aloha.py").copy_and_resolve_references()


@pytest.mark.parametrize(
    ("field", "value", "match"),
    [
        ("data.robot.image_layout", "cwh", r"config.data.robot.image_layout='cwh' is unknown; it is one of: chw, any"),
        ("data.robot.delta_mask", (True,) * 15, r"config.data.robot.delta_mask has 15 entries, the robot 14 actions"),
        ("data.robot.actions", ("a", "b", "a"), r"config.data.robot.actions: name 'a' appears twice"),
        ("model.action_dim", 13, r"config.model.action_dim=13 is less than the 14 actions of config.data.robot"),
        ("data.min_std", -0.1, r"config.data.min_std=-0.1 must be a number, 0 \(off\) or more"),
        ("data.min_std", float("nan"), r"config.data.min_std=nan must be"),
        ("data.min_std", float("inf"), r"config.data.min_std=inf must be"),
        ("data.action_sequence_keys", (), r"actions of 'action', which must be read as chunks: add it to .*_keys=\(\)"),
        ("data.action_sequence_keys", ("a",), r"actions of 'action', which must .*_sequence_keys=\('a',\)"),
        ("model.image_keys", ("base_1_rgb",), r"image_keys names 'base_1_rgb', which .*; it makes: base_0_rgb, left"),
    ],
)
def test_the_error_names_field_value_and_remedy(field, value, match):
    config = _reach()
    config.update_from_flattened_dict({field: value})
    for check in (validate, validate_data):  # the one calls the other
        with pytest.raises(ValueError, match=match):
            check.validate(config)


@pytest.mark.parametrize(
    ("structure", "match"),
    [
        (
            {"state": "s", "actions": "a"},
            "config.data.repack makes no 'images/cam_high', which .*aloha.* makes: actions, state",
        ),
        ({"images": {"cam_high": "c"}, "actions": "a"}, "makes no 'state', .* it makes: actions, images/cam_high"),
        ({"images": {"cam_high": "c"}, "state": "s"}, "config.data.repack makes no 'actions'"),
        (
            {"images": {"cam_high": "c", "cam_left_wirst": "w"}, "state": "s", "actions": "action"},
            "makes 'images/cam_left_wirst', of which .*aloha.* takes: state, actions, .*images/cam_left_wrist, .*, prompt",
        ),
    ],
)
def test_a_dataset_without_what_the_robot_needs_is_told_before_it_is_opened(structure, match):
    config = _reach()
    with config.unlocked():
        config.data.repack = structure
    with pytest.raises(ValueError, match=match):
        validate_data.validate(config)
    config.data.repo_id = ""  # for inference: no dataset
    validate_data.validate(config)


def test_a_task_that_is_dropped_on_the_way_is_told():
    config = _reach()
    config.data.prompt_from_task = True
    with pytest.raises(ValueError, match="prompt_from_task is set, but config.data.repack drops it: add {'prompt'"):
        validate_data.validate(config)
    with config.unlocked():
        config.data.repack.prompt = "prompt"
    validate_data.validate(config)


def test_cameras_that_the_robot_may_lack_or_ignores_may_be_made():
    config = _reach()
    with config.unlocked():
        config.data.repack.images.update(cam_left_wrist="left", cam_low="low")
    validate_data.validate(config)


def test_a_state_that_the_model_cannot_hold_is_told():
    config = load.load("experiments/libero.py:pi0_libero").copy_and_resolve_references()
    config.model.action_dim = 7
    with pytest.raises(
        ValueError, match=r"action_dim=7 is less than the 8 state numbers of config.data.robot \(libero\)"
    ):
        validate_data.validate(config)
    validate_data.validate(load.load("experiments/libero.py:pi0_fast_libero"))  # reads the same state as text


def test_pi0_fast_pads_no_actions():
    config = load.load("experiments/aloha.py:aloha_reach_fast").copy_and_resolve_references()
    config.model.action_dim = 32
    with pytest.raises(
        ValueError, match=r"action_dim=32, and config.data.robot \(aloha\) has 14 actions, which pi0_fast"
    ):
        validate_data.validate(config)
    config.data.update(kind="fake", cache="none")
    validate_data.validate(config)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        (
            {"reader": "lerobot"},
            "config.data.reader='lerobot' cannot leave episodes out, and .*skip_bad_episodes is set",
        ),
        (
            {"mixture": ({"root": "a", "weight": 1.0}, {"root": "b", "weight": 1.0, "reader": "lerobot"})},
            r"config.data.mixture\[1\]\['reader'\]='lerobot' cannot leave episodes out",
        ),
        (
            {"mixture": ({"root": "a", "weight": 1.0, "reader": "mine"},)},
            r"config.data.mixture\[0\]\['reader'\] is 'mine', and must be one of openpi, lerobot",
        ),
    ],
)
def test_readers(changes, match):
    config = _reach()
    config.data.update(changes, skip_bad_episodes=True)
    with pytest.raises(ValueError, match=match):
        validate_data.validate(config)
    if "must be one of" not in match:
        config.data.skip_bad_episodes = False
        validate_data.validate(config)


def test_a_robot_of_another_model_is_told():
    config = schema.base_config("mine", schema.pi0_fast_model(), robots.droid("pi0"))
    with pytest.raises(ValueError, match="image_keys names 'base_1_rgb', which .* makes: base_0_rgb, left_wrist_0_rgb"):
        validate_data.validate(config)


def test_velocities_are_not_relative_to_positions():
    config = load.load(table.config_path("pi05_full_droid_finetune")).copy_and_resolve_references()
    config.data.rlds.action_space = "joint_velocity"
    with pytest.raises(ValueError, match=r"config.data.robot.delta_mask subtracts joint positions: set it to \(\)"):
        validate_data.validate(config)
    config.data.robot.delta_mask = ()
    validate_data.validate(config)


def test_the_metadata_of_the_robot_is_its_description():
    config = _reach()
    with config.unlocked():
        config.policy_metadata = {"robot": "mine"}
    with pytest.raises(ValueError, match="config.policy_metadata.robot is not yours to set: clients get config.data.r"):
        validate_data.validate(config)


def test_shares_of_rlds_datasets_sum_to_one():
    config = load.load(table.config_path("pi05_full_droid_finetune")).copy_and_resolve_references()
    config.data.rlds.datasets = ()
    with pytest.raises(ValueError, match="config.data.rlds.datasets is empty"):
        validate_data.validate(config)
    config.data.rlds.datasets = tuple({"name": "droid", "weight": weight} for weight in (0.7, 0.2, 0.1))
    validate_data.validate(config)
    for weights in ((0.7, 0.2), (1.0, 0.0), (True,), ("all",), (None,)):
        config.data.rlds.datasets = tuple({"name": "droid", "weight": weight} for weight in weights)
        with pytest.raises(ValueError, match="must be positive and sum to exactly 1"):
            validate_data.validate(config)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"cache_max_gib": 0.0}, "config.data.cache_max_gib=0.0 must be positive"),
        ({"cache_max_gib": float("nan")}, "config.data.cache_max_gib=nan must be positive"),
        ({"cache_max_gib": float("inf")}, "config.data.cache_max_gib=inf must be positive"),
        ({"kind": "fake", "cache": "frames"}, "config.data.cache='frames' is for LeRobot datasets: set it to 'none'"),
        ({"mixture": ({"weight": 1.0},)}, r"config.data.mixture\[0\] must have 'weight' and 'repo_id' or 'root'"),
        ({"mixture": ("mine",)}, r"config.data.mixture\[0\] must have 'weight'"),
        ({"mixture": ({"repo_id": "a", "wieght": 1.0},)}, r"config.data.mixture\[0\] must have 'weight'"),
        ({"mixture": ({"repo_id": "a", "weight": 1.0}, {"root": "b"})}, r"mixture\[1\] has the weight None"),
        ({"mixture": ({"repo_id": "a", "weight": 0.0},)}, r"mixture\[0\] has the weight 0.0, and it must be a pos"),
        ({"mixture": ({"repo_id": "a", "weight": float("inf")},)}, r"mixture\[0\] has the weight inf"),
        ({"mixture": ({"repo_id": "a", "weight": -1.0},)}, r"mixture\[0\] has the weight -1.0, and it must be a pos"),
    ],
)
def test_caches_and_mixtures(changes, match):
    config = _reach()
    config.data.update(changes)
    with pytest.raises(ValueError, match=match):
        validate_data.validate(config)
