"""DROID: a Franka arm with a gripper, two cameras, 15 actions a second. The released configurations:

pi0_droid, pi0_fast_droid, pi05_droid                      policies ready to use: joint velocities
pi05_droid_finetune                                        from pi05_droid on a LeRobot dataset of your own
pi0_fast_full_droid_finetune, pi05_full_droid_finetune     on the whole of DROID (RLDS): joint positions
paligemma_{binning,fast,fast_specialist,vq,diffusion}_droid    the RoboArena baselines, trained from PaliGemma; inference
{pi05,pi0,pi0_fast,...}_droid_jointpos_polaris             joint positions, co-trained on PolaRiS' simulation
"""

from ml_collections import config_dict

from openpi.config import robots, schema

_CHECKPOINTS = "gs://openpi-assets/checkpoints"
_RANGES = "gs://openpi-assets/droid"
_PLACEHOLDER = "/path/to/rlds_datasets"  # replace it: --config.data.rlds.data_dir=...
_DROID = {
    "name": "droid",
    "version": "1.0.1",
    "weight": 1.0,
    "filter": f"{_RANGES}/droid_sample_ranges_v1_0_1.json",
}
_POLARIS = {
    "name": "polaris_droid_cotrain_dataset",
    "version": "1.0.0",
    "weight": 0.1,
    "filter": f"{_RANGES}/polaris_droid_cotrain_dataset_sample_ranges_v1_0_0.json",
}
_STATE = {f"observation/{key}": key for key in ("joint_position", "gripper_position")}


def get_config(variant: str = "") -> config_dict.ConfigDict:
    """The configuration of a variant; an unknown one is a ValueError that names the nearest."""
    return schema.pick_variant(_VARIANTS, variant, default="pi05_droid")


def _droid(name: str, model: config_dict.ConfigDict, *, joint_positions: bool = False):
    """With the keys of a DROID dataset that was converted to LeRobot; the second exterior camera is not used."""
    config = schema.base_config(name, model, robots.droid(model.type, joint_positions=joint_positions))
    config.data.update(asset_id="droid", prompt_from_task=True, action_sequence_keys=("actions",))
    config.data.repack = {
        "observation/exterior_image_1_left": "exterior_image_1_left",
        "observation/wrist_image_left": "wrist_image_left",
        **_STATE,
        "actions": "actions",
        "prompt": "prompt",
    }
    config.sampling.replan_steps = 8
    return config


def _rlds(name: str, model: config_dict.ConfigDict, datasets: tuple[dict, ...]):
    """On DROID's RLDS release, with actions as joint positions."""
    config = _droid(name, model, joint_positions=True)
    config.data.update(kind="droid_rlds", action_sequence_keys=())
    config.data.rlds.update(data_dir=_PLACEHOLDER, action_space="joint_position", datasets=datasets)
    config.data.repack = {
        "observation/exterior_image_1_left": "observation/image",
        "observation/wrist_image_left": "observation/wrist_image",
        **{key: key for key in _STATE},
        "actions": "actions",
        "prompt": "prompt",
    }
    config.lr_schedule = schema.cosine_schedule(1000, 5e-5, 1_000_000, 5e-5)
    return config


def _full(name: str, model: config_dict.ConfigDict, base: str, keep_period: int):
    config = _rlds(name, model, (_DROID,))
    config.data.repo_id = "droid"
    config.weights.update(kind="checkpoint", path=f"{_CHECKPOINTS}/{base}/params")
    config.update(num_train_steps=100_000, batch_size=256, save_interval=5000, keep_period=keep_period)
    return config


def _pi0_fast_full_droid_finetune():
    model = schema.pi0_fast_model()
    model.update(action_dim=8, action_horizon=16, max_token_len=180)
    config = _full("pi0_fast_full_droid_finetune", model, "pi0_fast_base", keep_period=20_000)
    config.data.asset_id = ""  # statistics of its own
    return config


def _pi05_full_droid_finetune():
    model = schema.pi05_model()
    model.action_horizon = 16
    config = _full("pi05_full_droid_finetune", model, "pi05_base", keep_period=10_000)
    config.data.assets_dir = f"{_CHECKPOINTS}/pi05_base/assets"
    return config


def _pi05_droid_finetune():
    model = schema.pi05_model()
    model.action_horizon = 16
    config = _droid("pi05_droid_finetune", model)
    config.data.update(repo_id="your_hf_username/my_droid_dataset", assets_dir=f"{_CHECKPOINTS}/pi05_droid/assets")
    config.weights.update(kind="checkpoint", path=f"{_CHECKPOINTS}/pi05_droid/params")
    config.num_train_steps = 20_000
    return config


def _inference(name: str, model: config_dict.ConfigDict, horizon: int, action_dim: int = 32):
    model.update(action_horizon=horizon, action_dim=action_dim)
    return _droid(name, model)


def _roboarena(name: str, actions: str = "fast", codec: str = "hf://physical-intelligence/fast", tokens: int = 250):
    model = schema.pi0_fast_model()
    model.max_token_len = tokens
    config = _inference(name, model, horizon=15, action_dim=8)
    config.tokenizer.update(actions=actions, codec=codec)
    return config


def _paligemma_binning_droid_jointpos():
    model = schema.pi0_fast_model()
    model.update(action_dim=8, action_horizon=15, max_token_len=600)
    config = _droid("paligemma_binning_droid_jointpos", model, joint_positions=True)
    config.tokenizer.update(actions="binning", codec="")
    config.data.prompt_from_task = False
    return config


def _polaris(name: str, model: config_dict.ConfigDict, **sizes: int):
    model.update(sizes)
    config = _rlds(name, model, ({**_DROID, "weight": 0.9}, _POLARIS))
    config.data.assets_dir = f"{_CHECKPOINTS}/polaris/{name}/assets"
    config.weights.update(kind="checkpoint", path=f"{_CHECKPOINTS}/polaris/{name}/params")
    config.update(num_train_steps=1000, batch_size=128, keep_period=1000)
    return config


def _polaris_pi0(name: str):
    return _polaris(name, schema.pi0_model(), action_horizon=10, max_token_len=100)


_SPECIALIST = "hf://KarlP/fast_droid_specialist"
_FSQ = "gs://openpi-assets/tokenizers/droid_fsq_tokenizer"

_VARIANTS = {
    "pi0_droid": lambda: _inference("pi0_droid", schema.pi0_model(), horizon=10),
    "pi0_fast_droid": lambda: _inference("pi0_fast_droid", schema.pi0_fast_model(), horizon=10, action_dim=8),
    "pi05_droid": lambda: _inference("pi05_droid", schema.pi05_model(), horizon=15),
    "pi05_droid_finetune": _pi05_droid_finetune,
    "pi0_fast_full_droid_finetune": _pi0_fast_full_droid_finetune,
    "pi05_full_droid_finetune": _pi05_full_droid_finetune,
    "paligemma_binning_droid": lambda: _roboarena("paligemma_binning_droid", "binning", "", tokens=400),
    "paligemma_fast_droid": lambda: _roboarena("paligemma_fast_droid"),
    "paligemma_fast_specialist_droid": lambda: _roboarena("paligemma_fast_specialist_droid", codec=_SPECIALIST),
    "paligemma_vq_droid": lambda: _roboarena("paligemma_vq_droid", "fsq", _FSQ),
    "paligemma_diffusion_droid": lambda: _inference("paligemma_diffusion_droid", schema.pi0_model(), 10, action_dim=8),
    "pi05_droid_jointpos_polaris": lambda: _polaris(
        "pi05_droid_jointpos_polaris", schema.pi05_model(), action_horizon=15
    ),
    "pi0_fast_droid_jointpos_polaris": lambda: _polaris(
        "pi0_fast_droid_jointpos_polaris",
        schema.pi0_fast_model(),
        action_dim=8,
        action_horizon=10,
        max_token_len=180,
    ),
    "pi0_droid_jointpos_polaris": lambda: _polaris_pi0("pi0_droid_jointpos_polaris"),
    "pi0_droid_jointpos_100k_polaris": lambda: _polaris_pi0("pi0_droid_jointpos_100k_polaris"),
    "paligemma_binning_droid_jointpos": _paligemma_binning_droid_jointpos,
}
