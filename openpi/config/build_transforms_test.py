import numpy as np
import pytest

from openpi.config import build_transforms, load, robots, schema
from openpi.normalization import norm_stats
from openpi.tokenizers import fast_codec_files, fast_codec_fit

DIM = 14


def small_config(**data):
    config = load.load("experiments/aloha.py")
    config.data.update(data)
    return config


def row(seed=0, horizon=10):
    rng = np.random.default_rng(seed)
    return {
        "observation.images.cam_high": rng.integers(256, size=(3, 168, 224), dtype=np.uint8),
        "observation.state": rng.normal(size=DIM).astype(np.float32),
        "action": rng.normal(size=(horizon, DIM)).astype(np.float32),
        "task": "reach the cube",
        "task_index": np.int64(0),
    }


def stats(seed=1):
    rng = np.random.default_rng(seed)
    return {
        key: norm_stats.NormStats(mean=rng.normal(size=DIM), std=rng.uniform(0.5, 2.0, size=DIM))
        for key in ("state", "actions")
    }


def test_training_gives_what_the_model_takes():
    out = build_transforms.build(small_config()).training(stats())(row())
    assert sorted(out) == ["actions", "image", "image_mask", "state", "tokenized_prompt", "tokenized_prompt_mask"]
    assert list(out["image"]) == ["base_0_rgb"]
    assert out["image"]["base_0_rgb"].shape == (224, 224, 3)
    assert (out["state"].shape, out["actions"].shape) == ((DIM,), (10, DIM))
    assert out["tokenized_prompt_mask"].sum() > 1


@pytest.mark.parametrize("delta", [True, False])
@pytest.mark.parametrize("adapt", [True, False])
def test_inference_output_undoes_training_actions(delta, adapt):
    """The action chunk that training normalizes comes back as recorded: both roads hold the same objects."""
    transforms = build_transforms.build(small_config(robot=robots.aloha(adapt_to_pi=adapt, delta=delta)))
    sample = row()
    model_input = transforms.training(stats())(sample)
    out = transforms.inference_output(stats())({"state": model_input["state"], "actions": model_input["actions"]})
    assert list(out) == ["actions"]
    np.testing.assert_allclose(out["actions"], sample["action"], atol=1e-5)


def test_inference_and_training_see_the_same_observation():
    transforms = build_transforms.build(small_config())
    sample = row()
    observation = {"state": sample["observation.state"], "images": {"cam_high": sample["observation.images.cam_high"]}}
    trained = transforms.training(stats())(sample)
    served = transforms.inference_input(stats())(observation)
    for key in ("state", "tokenized_prompt", "tokenized_prompt_mask"):
        np.testing.assert_array_equal(served[key], trained[key])
    np.testing.assert_array_equal(served["image"]["base_0_rgb"], trained["image"]["base_0_rgb"])


def test_the_servers_default_prompt_wins_over_the_configurations_and_loses_to_the_clients():
    transforms = build_transforms.build(small_config())
    observation = {"state": np.zeros(DIM), "images": {"cam_high": np.zeros((3, 224, 224), np.uint8)}}
    tokens = {
        name: tuple(transforms.inference_input(None, default)({**observation, **extra})["tokenized_prompt"])
        for name, default, extra in [
            ("config", None, {}),
            ("server", "move", {}),
            ("client", "move", {"prompt": "stop"}),
        ]
    }
    assert len(set(tokens.values())) == 3


def test_the_task_becomes_the_prompt_when_repack_keeps_it():
    config = small_config()
    with config.unlocked():
        config.data.repack.prompt = "prompt"
    transform = build_transforms.build(config).training(stats(), {0: "reach", 1: "leave"})
    bare = {key: value for key, value in row().items() if key != "task"}
    own, *indexed = (
        transform({**bare, **more})["tokenized_prompt"].tolist()
        for more in ({"task": "reach"}, {"task_index": np.int64(0)}, {"task_index": np.int64(1)})
    )
    assert own == indexed[0] != indexed[1]
    # The row's own text counts: in a mixture its index is of another table.
    assert transform({**bare, "task": "reach", "task_index": np.int64(1)})["tokenized_prompt"].tolist() == own


def test_statistics_are_of_relative_actions_before_normalization():
    sample = {key: value for key, value in row().items() if "images" not in key}
    out = build_transforms.statistics(small_config())(sample)
    joints = [i for i in range(DIM) if i not in (6, 13)]
    state, actions = sample["observation.state"], sample["action"]
    np.testing.assert_allclose(out["actions"][:, joints], actions[:, joints] - state[joints], rtol=1e-6)
    np.testing.assert_array_equal(out["actions"][:, [6, 13]], actions[:, [6, 13]])


# Configuration → a row of its dataset: single numbers without axis and images as readers give them.
def _libero_row(rng):
    pose = rng.normal(size=8).astype(np.float32)
    images = {key: rng.integers(256, size=(3, 256, 256), dtype=np.uint8) for key in ("image", "wrist_image")}
    return {**images, "state": pose, "actions": rng.normal(size=(10, 7)).astype(np.float32), "task": "open the drawer"}


def _droid_row(rng):
    images = {
        key: rng.integers(256, size=(3, 180, 320), dtype=np.uint8)
        for key in ("exterior_image_1_left", "exterior_image_2_left", "wrist_image_left")
    }
    state = {"joint_position": rng.normal(size=7), "gripper_position": rng.random(1)}
    return {**images, **state, "actions": rng.normal(size=(16, 8)), "task": "open the drawer"}


def _rlds_row(rng):
    row = _droid_row(rng)
    return {
        "observation/image": row["exterior_image_2_left"],
        "observation/wrist_image": row["wrist_image_left"],
        **{f"observation/{key}": row[key] for key in ("joint_position", "gripper_position")},
        "actions": row["actions"],
        "task": "open the drawer",
        "prompt": "of the dataset's own",
    }


def _ur5_row(rng):
    images = {key: rng.integers(256, size=(480, 640, 3), dtype=np.uint8) for key in ("image", "wrist_image")}
    state = {"joints": rng.normal(size=6), "gripper": np.float32(0.3)}
    return {**images, **state, "actions": rng.normal(size=(50, 7)), "task": "open the drawer"}


@pytest.mark.parametrize(
    ("name", "make_row", "relative", "state_dim", "attended"),
    [
        ("libero.py:pi0_libero", _libero_row, 6, 8, (True, True, False)),
        ("libero.py:pi05_libero", _libero_row, 0, 8, (True, True, False)),
        ("droid.py:pi05_droid_finetune", _droid_row, 0, 8, (True, True, False)),
        ("droid.py:pi05_full_droid_finetune", _rlds_row, 7, 8, (True, True, False)),
        ("ur5.py:pi0_ur5_finetune", _ur5_row, 6, 7, (True, True, False)),
    ],
)
def test_rows_of_every_robot_become_model_inputs(name, make_row, relative, state_dim, attended):
    config, row = load.load(f"experiments/{name}"), make_row(np.random.default_rng(0))
    config.tokenizer.update(path="small", vocab_size=2000)
    transforms = build_transforms.build(config)
    out = transforms.training(None, {})(row)
    assert out["state"].shape == (32,) and not out["state"][state_dim:].any()
    assert tuple(out["image_mask"][key] for key in config.model.image_keys) == attended
    assert {image.shape for image in out["image"].values()} == {(224, 224, 3)}
    change = row["actions"][:, :relative] - out["actions"][:, :relative]
    np.testing.assert_allclose(change, np.broadcast_to(out["state"][:relative], change.shape), atol=1e-6)
    np.testing.assert_allclose(out["actions"][:, relative : row["actions"].shape[1]], row["actions"][:, relative:])
    back = transforms.inference_output(None)({"state": out["state"], "actions": out["actions"]})
    np.testing.assert_allclose(back["actions"], row["actions"], atol=1e-6)

    other = transforms.training(None, {})({**row, "task": "close the drawer"})
    assert (other["tokenized_prompt"] != out["tokenized_prompt"]).any()
    numbers = {key: value for key, value in row.items() if "image" not in key}
    np.testing.assert_allclose(build_transforms.statistics(config)(numbers)["state"], out["state"][:state_dim])


@pytest.mark.parametrize("name", ["aloha.py:pi0_aloha_pen_uncap", "aloha.py:aloha_reach"])
def test_statistics_take_tables_as_they_take_rows(name):
    """And the numbers are those that training makes before it normalizes them."""
    config = load.load(f"experiments/{name}")
    rows = [row(seed) for seed in range(3)]
    keys = ("observation.state", "action")
    statistics = build_transforms.statistics(config)
    tables = statistics({key: np.stack([sample[key] for sample in rows]) for key in keys})
    assert (tables["state"].shape, tables["actions"].shape) == ((3, DIM), (3, 10, DIM))
    for i, sample in enumerate(rows):
        single = statistics({key: sample[key] for key in keys})
        for key, value in single.items():
            np.testing.assert_array_equal(tables[key][i], value, strict=True)
    if name.endswith("aloha_reach"):
        trained = build_transforms.build(config).training(None)(rows[0])
        np.testing.assert_allclose(trained["actions"], tables["actions"][0])


def test_statistics_of_a_state_that_is_repacked_level_by_level():
    config = load.load("experiments/libero.py:pi0_libero").copy_and_resolve_references()
    with config.unlocked():
        config.data.repack = {"observation": {"state": "s", "image": "i"}, "actions": "a"}
    numbers = build_transforms.statistics(config)({"s": np.arange(8.0), "a": np.zeros((2, 7))})
    np.testing.assert_array_equal(numbers["state"], np.arange(8.0))


def test_a_tokenizer_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENPI_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("OPENPI_OFFLINE", "1")
    with pytest.raises(FileNotFoundError, match=r"paligemma_tokenizer\.model"):
        build_transforms.build(load.load("experiments/aloha.py:pi0_aloha_sim"))


def test_the_asset_id_falls_back_to_the_dataset():
    assert build_transforms.asset_id(load.load("experiments/aloha.py")) == "openpi/aloha_reach"
    assert build_transforms.asset_id(load.load("experiments/aloha.py:pi0_aloha")) == "trossen"
    config = load.load("experiments/aloha.py")
    config.data.update(repo_id="", root="~/data/my_dataset/")
    assert build_transforms.asset_id(config) == "my_dataset"


def test_a_chunk_goes_through_pi0_fast_as_tokens_and_comes_back(tmp_path):
    rows = [row(seed) for seed in range(40)]
    for sample in rows:
        sample["action"] = sample["observation.state"] + np.cumsum(sample["action"], axis=0) / 10
    config = small_config()
    config.model = schema.pi0_fast_model(language="small", siglip="small/28")
    config.model.update(action_horizon=10, action_dim=DIM, max_token_len=400, image_keys=("base_0_rgb",))
    config.tokenizer.codec = str(tmp_path / "codec")
    normalized = build_transforms.normalized(config, stats())
    chunks = [normalized(sample)["actions"] for sample in rows]
    fast_codec_files.save(fast_codec_fit.fit(chunks), tmp_path / "codec")

    transforms = build_transforms.build(config)
    out = transforms.training(stats())(rows[0])
    assert out["state"].shape == (DIM,)
    answer = out["tokenized_prompt"][out["token_ar_mask"] == 1]
    result = transforms.inference_output(stats())({"state": out["state"], "actions": answer})
    np.testing.assert_allclose(result["actions"], rows[0]["action"], atol=0.3)
    bare = {"state": rows[0]["observation.state"], "images": {"cam_high": rows[0]["observation.images.cam_high"]}}
    asked = transforms.inference_input(stats())(bare)
    prefix = out["tokenized_prompt_mask"] & (out["token_ar_mask"] == 0)
    np.testing.assert_array_equal(asked["tokenized_prompt"][prefix], out["tokenized_prompt"][prefix])
    assert not asked["tokenized_prompt"][~prefix].any()
    assert not asked["token_loss_mask"].any()
