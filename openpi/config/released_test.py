"""Every released configuration against the published table, field by field.

Left out are the readers' workers (0 or 2): a matter of the machine and of how ours read.
"""

import pytest

from openpi.config import freeze, load, table

_URL = "gs://openpi-assets/checkpoints"
_DEFAULTS = {
    "exp_name": "default",
    "model.type": "pi0",
    "model.action_dim": 32,
    "model.action_horizon": 50,
    "model.max_token_len": 48,
    "model.language.lora_rank": 0,
    "data.kind": "lerobot",
    "data.robot.name": "aloha",
    "data.repo_id": "",
    "data.asset_id": "",
    "data.assets_dir": "",
    "data.default_prompt": "",
    "data.prompt_from_task": False,
    "data.use_quantile_norm": False,
    "data.action_sequence_keys": ("action",),
    "data.rlds.datasets": (),
    "tokenizer.actions": "fast",
    "tokenizer.codec": "hf://physical-intelligence/fast",
    "weights.kind": "none",
    "weights.path": "",
    "lr_schedule.warmup_steps": 1000,
    "lr_schedule.peak_lr": 2.5e-5,
    "lr_schedule.decay_steps": 30_000,
    "lr_schedule.decay_lr": 2.5e-6,
    "optimizer.clip_gradient_norm": 1.0,
    "ema_decay": 0.99,
    "seed": 42,
    "batch_size": 32,
    "num_train_steps": 30_000,
    "log_interval": 100,
    "save_interval": 1000,
    "keep_period": 5000,
    "overwrite": False,
    "policy_metadata": {},
}
_PI05 = {"model.type": "pi05", "model.max_token_len": 200, "data.use_quantile_norm": True}
_FAST = {"model.type": "pi0_fast", "model.max_token_len": 250, "data.use_quantile_norm": True}
_CONSTANT = {"lr_schedule.peak_lr": 5e-5, "lr_schedule.decay_steps": 1_000_000, "lr_schedule.decay_lr": 5e-5}
_POSE = {"policy_metadata": {"reset_pose": (0.0, -1.5, 1.5, 0.0, 0.0, 0.0)}}
_TROSSEN = {"data.asset_id": "trossen", **_POSE}
_LIBERO = {
    "data.robot.name": "libero",
    "data.repo_id": "physical-intelligence/libero",
    "data.prompt_from_task": True,
    "data.action_sequence_keys": ("actions",),
}
_LIBERO_FAST = {**_FAST, **_LIBERO, "model.action_dim": 7, "model.action_horizon": 10, "model.max_token_len": 180}
_DROID = {
    "data.robot.name": "droid",
    "data.asset_id": "droid",
    "data.prompt_from_task": True,
    "data.action_sequence_keys": ("actions",),
}
_ARENA = {**_FAST, **_DROID, "model.action_dim": 8, "model.action_horizon": 15}
_DROID_RANGES = {
    "name": "droid",
    "version": "1.0.1",
    "weight": 1.0,
    "filter": "gs://openpi-assets/droid/droid_sample_ranges_v1_0_1.json",
}
_POLARIS_RANGES = {
    "name": "polaris_droid_cotrain_dataset",
    "version": "1.0.0",
    "weight": 0.1,
    "filter": "gs://openpi-assets/droid/polaris_droid_cotrain_dataset_sample_ranges_v1_0_0.json",
}
_RLDS = {
    **_DROID,
    **_CONSTANT,
    "data.kind": "droid_rlds",
    "data.rlds.datasets": (_DROID_RANGES,),
    "data.action_sequence_keys": (),
}
_FULL = {**_RLDS, "data.repo_id": "droid", "batch_size": 256, "num_train_steps": 100_000, "save_interval": 5000}
_POLARIS = {
    **_RLDS,
    "data.rlds.datasets": ({**_DROID_RANGES, "weight": 0.9}, _POLARIS_RANGES),
    "batch_size": 128,
    "num_train_steps": 1000,
    "keep_period": 1000,
}
_DEBUG = {"data.kind": "fake", "exp_name": "debug", "num_train_steps": 10, "batch_size": 2, "overwrite": True}


def _from(base):
    return {"weights.kind": "checkpoint", "weights.path": f"{_URL}/{base}/params"}


def _assets(base):
    return {"data.assets_dir": f"{_URL}/{base}/assets"}


def _pen(base):
    return {
        **_assets(base),
        **_from(base),
        "data.asset_id": "trossen",
        "data.repo_id": "physical-intelligence/aloha_pen_uncap_diverse",
        "data.default_prompt": "uncap the pen",
        "num_train_steps": 20_000,
    }


def _polaris(name):
    return {**_POLARIS, **_assets(f"polaris/{name}"), **_from(f"polaris/{name}")}


_POLARIS_PI0 = {"model.action_horizon": 10, "model.max_token_len": 100}
# Name → what differs from the defaults.
_RELEASED = {
    "pi0_aloha": _TROSSEN,
    "pi05_aloha": {**_PI05, **_TROSSEN},
    "pi0_aloha_towel": {**_TROSSEN, "data.default_prompt": "fold the towel"},
    "pi0_aloha_tupperware": {
        **_TROSSEN,
        "data.default_prompt": "open the tupperware and put the food on the plate",
    },
    "pi0_aloha_pen_uncap": _pen("pi0_base"),
    "pi05_aloha_pen_uncap": {**_PI05, **_pen("pi05_base"), "batch_size": 64},
    "pi0_aloha_sim": {
        **_from("pi0_base"),
        "data.repo_id": "lerobot/aloha_sim_transfer_cube_human",
        "data.default_prompt": "Transfer cube",
        "num_train_steps": 20_000,
    },
    "pi0_droid": {**_DROID, "model.action_horizon": 10},
    "pi0_fast_droid": {**_FAST, **_DROID, "model.action_dim": 8, "model.action_horizon": 10},
    "pi05_droid": {**_PI05, **_DROID, "model.action_horizon": 15},
    "pi0_libero": {**_LIBERO, **_from("pi0_base")},
    "pi0_libero_low_mem_finetune": {
        **_LIBERO,
        **_from("pi0_base"),
        "model.language.lora_rank": 16,
        "ema_decay": 0.0,
    },
    "pi0_fast_libero": {**_LIBERO_FAST, **_from("pi0_fast_base")},
    "pi0_fast_libero_low_mem_finetune": {
        **_LIBERO_FAST,
        **_from("pi0_fast_base"),
        "model.language.lora_rank": 16,
        "ema_decay": 0.0,
    },
    "pi05_libero": {
        **_PI05,
        **_LIBERO,
        **_from("pi05_base"),
        **_CONSTANT,
        "lr_schedule.warmup_steps": 10_000,
        "model.action_horizon": 10,
        "batch_size": 256,
        "ema_decay": 0.999,
    },
    "pi0_fast_full_droid_finetune": {
        **_FAST,
        **_FULL,
        **_from("pi0_fast_base"),
        "data.asset_id": "",
        "model.action_dim": 8,
        "model.action_horizon": 16,
        "model.max_token_len": 180,
        "keep_period": 20_000,
    },
    "pi05_full_droid_finetune": {
        **_PI05,
        **_FULL,
        **_from("pi05_base"),
        **_assets("pi05_base"),
        "model.action_horizon": 16,
        "keep_period": 10_000,
    },
    "pi05_droid_finetune": {
        **_PI05,
        **_DROID,
        **_from("pi05_droid"),
        **_assets("pi05_droid"),
        "data.repo_id": "your_hf_username/my_droid_dataset",
        "model.action_horizon": 16,
        "num_train_steps": 20_000,
    },
    "debug": {**_DEBUG, "save_interval": 100},
    "debug_restore": {
        **_DEBUG,
        "weights.kind": "checkpoint",
        "weights.path": "./checkpoints/debug/debug/9/params",
    },
    "debug_pi05": {**_PI05, **_DEBUG, "exp_name": "debug_pi05"},
    "paligemma_binning_droid": {
        **_ARENA,
        "model.max_token_len": 400,
        "tokenizer.actions": "binning",
        "tokenizer.codec": "",
    },
    "paligemma_fast_droid": _ARENA,
    "paligemma_fast_specialist_droid": {**_ARENA, "tokenizer.codec": "hf://KarlP/fast_droid_specialist"},
    "paligemma_vq_droid": {
        **_ARENA,
        "tokenizer.actions": "fsq",
        "tokenizer.codec": "gs://openpi-assets/tokenizers/droid_fsq_tokenizer",
    },
    "paligemma_diffusion_droid": {**_DROID, "model.action_dim": 8, "model.action_horizon": 10},
    "pi05_droid_jointpos_polaris": {
        **_PI05,
        **_polaris("pi05_droid_jointpos_polaris"),
        "model.action_horizon": 15,
    },
    "pi0_fast_droid_jointpos_polaris": {
        **_FAST,
        **_polaris("pi0_fast_droid_jointpos_polaris"),
        "model.action_dim": 8,
        "model.action_horizon": 10,
        "model.max_token_len": 180,
    },
    "pi0_droid_jointpos_polaris": {**_polaris("pi0_droid_jointpos_polaris"), **_POLARIS_PI0},
    "pi0_droid_jointpos_100k_polaris": {**_polaris("pi0_droid_jointpos_100k_polaris"), **_POLARIS_PI0},
    "paligemma_binning_droid_jointpos": {
        **_ARENA,
        "model.max_token_len": 600,
        "tokenizer.actions": "binning",
        "tokenizer.codec": "",
        "data.prompt_from_task": False,
    },
}
# Relative actions: ALOHA's all but the simulated one, LIBERO's all but pi0.5, DROID's as joint positions.
_RELATIVE = {
    "aloha": 12,
    "libero": 6,
    "droid": 7,
}


def _get(config, field):
    for part in field.split("."):
        config = config[part]
    return config.to_dict() if hasattr(config, "to_dict") else config


@pytest.mark.parametrize("name", _RELEASED)
def test_every_field_is_as_published(name):
    config = load.load(table.config_path(name))
    got = {field: _get(config, field) for field in _DEFAULTS}
    assert got == {**_DEFAULTS, **_RELEASED[name]}


def test_all_31_are_there():
    assert len(_RELEASED) == 31
    assert set(_RELEASED) <= set(table.CONFIG_TABLE)


@pytest.mark.parametrize("name", _RELEASED)
def test_relative_actions_and_what_is_frozen(name):
    config = load.load(table.config_path(name))
    absolute = (
        name in ("pi0_aloha_sim", "pi05_libero")
        or name.endswith("_droid")
        or name == "pi05_droid_finetune"  # joint velocities
    )
    assert sum(config.data.robot.delta_mask) == (0 if absolute else _RELATIVE[config.data.robot.name])
    assert config.freeze == (freeze.lora_filter(config.model) if "low_mem" in name else "")
    if name == "pi0_libero_low_mem_finetune":
        assert config.model.expert.lora_rank == 32
    assert config.model.get("discrete_state_input", False) == (config.model.type == "pi05" and name != "pi05_libero")


def test_only_the_pen_configurations_have_three_cameras():
    three = {"cam_high", "cam_left_wrist", "cam_right_wrist"}
    for name, cameras in (("pi05_aloha_pen_uncap", three), ("pi0_aloha_sim", {"cam_high"})):
        assert set(load.load(table.config_path(name)).data.repack.images) == cameras


@pytest.mark.parametrize("name", _RELEASED)
def test_repack_makes_what_the_robot_takes(name):
    config = load.load(table.config_path(name))
    if config.data.kind == "fake":
        pytest.skip("random model inputs: no robot takes part")
    made = set(_paths(config.data.repack.to_dict()))
    robot = config.data.robot
    needed = {part["key"] for part in robot.state} | {"actions"}
    needed |= {camera["source"] for camera in robot.cameras if camera["missing"] == "error"}
    assert needed <= made
    if config.data.prompt_from_task:
        assert "prompt" in made


def _paths(tree):
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from (f"{key}/{rest}" for rest in _paths(value))
        else:
            yield key
