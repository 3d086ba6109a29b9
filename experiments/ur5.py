"""UR5: an arm with a gripper, a camera before it and one on the wrist: how a robot of your own may look.

--config=experiments/ur5.py:pi0_ur5_finetune         from pi0_base (default)
--config=experiments/ur5.py:pi05_ur5_finetune        from pi05_base
--config=experiments/ur5.py:pi0_fast_ur5_finetune    from pi0_fast_base

The dataset is yours: --config.data.repo_id=NAME or --config.data.root=FOLDER. Its keys are those at the right of `repack`.
"""

from ml_collections import config_dict

from openpi.config import robots, schema

_CHECKPOINTS = "gs://openpi-assets/checkpoints"


def get_config(variant: str = "") -> config_dict.ConfigDict:
    """The configuration of a variant; an unknown one is a ValueError that names the nearest."""
    return schema.pick_variant(_VARIANTS, variant, default="pi0_ur5_finetune")


def _ur5(name: str, model: config_dict.ConfigDict, base: str):
    robot = robots.ur5(model.type)
    model.image_keys = robots.image_keys(robot)
    config = schema.base_config(name, model, robot)
    config.data.update(
        repo_id="your_hf_username/my_ur5_dataset", prompt_from_task=True, action_sequence_keys=("actions",)
    )
    config.data.repack = {
        "base_rgb": "image",
        "wrist_rgb": "wrist_image",
        "joints": "joints",
        "gripper": "gripper",
        "actions": "actions",
        "prompt": "prompt",
    }
    config.weights.update(kind="checkpoint", path=f"{_CHECKPOINTS}/{base}/params")
    return config


def _with_pretraining_statistics(config: config_dict.ConfigDict, base: str):
    """Those of the UR5e arms that the base model was trained on."""
    config.data.update(assets_dir=f"{_CHECKPOINTS}/{base}/assets", asset_id="ur5e")
    return config


def _fast():
    model = schema.pi0_fast_model()
    model.update(action_dim=7, action_horizon=20, max_token_len=250)
    config = _ur5("pi0_fast_ur5_finetune", model, "pi0_fast_base")
    return _with_pretraining_statistics(config, "pi0_fast_base")


_VARIANTS = {
    "pi0_ur5_finetune": lambda: _with_pretraining_statistics(
        _ur5("pi0_ur5_finetune", schema.pi0_model(), "pi0_base"), "pi0_base"
    ),
    "pi05_ur5_finetune": lambda: _ur5("pi05_ur5_finetune", schema.pi05_model(), "pi05_base"),
    "pi0_fast_ur5_finetune": _fast,
}
