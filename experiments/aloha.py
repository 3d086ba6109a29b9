"""ALOHA: two 6-joint arms with grippers, 14 actions.

--config=experiments/aloha.py                     a small pi0 from scratch on the simulated reach task (minutes on a CPU)
--config=experiments/aloha.py:aloha_reach_pi05    the same with a small pi0.5
--config=experiments/aloha.py:aloha_reach_fast    the same with a small pi0-FAST, whose action codec is trained first
--config=experiments/aloha.py:pi0_aloha           one of the released configurations below
"""

from ml_collections import config_dict

from openpi.config import robots, schema

_CHECKPOINTS = "gs://openpi-assets/checkpoints"
_RESET_POSE = (0.0, -1.5, 1.5, 0.0, 0.0, 0.0)  # joints of one arm, radians
_THREE_CAMERAS = {
    "images": {
        "cam_high": "observation.images.cam_high",
        "cam_left_wrist": "observation.images.cam_left_wrist",
        "cam_right_wrist": "observation.images.cam_right_wrist",
    },
    "state": "observation.state",
    "actions": "action",
}


def get_config(variant: str = "") -> config_dict.ConfigDict:
    """The configuration of a variant; an unknown one is a ValueError that names the nearest."""
    return schema.pick_variant(_VARIANTS, variant, default="aloha_reach")


def _aloha_reach():
    return _reach("aloha_reach", schema.pi0_model(language="small", expert="small", siglip="small/28"), max_token_len=8)


def _aloha_reach_pi05():
    model = schema.pi05_model(language="small", expert="small", siglip="small/28")
    return _reach("aloha_reach_pi05", model, max_token_len=80)  # 73 tokens: the prompt and 14 numbers


def _aloha_reach_fast():
    model = schema.pi0_fast_model(language="small", siglip="small/28")
    config = _reach("aloha_reach_fast", model, max_token_len=160)  # prompt and state as pi0.5's, then the actions
    config.tokenizer.codec = ""
    config.noise_draws = 1
    config.sampling.max_decoding_steps = 96
    return config


def _reach(name: str, model: config_dict.ConfigDict, max_token_len: int):
    config = schema.base_config(name, model, robots.aloha(adapt_to_pi=False))
    config.model.update(
        dtype="float32",
        action_dim=14,
        action_horizon=10,
        max_token_len=max_token_len,
        vocab_size=2000,
        image_keys=("base_0_rgb",),
        augmentation="none",
        remat="none",
    )
    config.tokenizer.update(path="small", vocab_size=2000)
    config.data.update(
        repo_id="openpi/aloha_reach",
        generator="aloha_reach",
        generator_episodes=600,
        default_prompt="reach the cube",
        repack={
            "images": {"cam_high": "observation.images.cam_high"},
            "state": "observation.state",
            "actions": "action",
        },
        compute_norm_stats=True,
        min_std=1e-2,
        cache="frames",
    )
    config.update(batch_size=32, noise_draws=4, num_train_steps=2000, ema_decay=0.99, num_workers=0)
    config.update(log_interval=50, save_interval=500, keep_period=0)
    config.lr_schedule = schema.cosine_schedule(100, 3e-3, 2000, 3e-5)
    config.optimizer.weight_decay = 1e-4
    config.sampling.replan_steps = 10
    return config


def _inference(name: str, model: config_dict.ConfigDict, prompt: str = ""):
    config = schema.base_config(name, model)
    config.data.update(asset_id="trossen", default_prompt=prompt)
    config.policy_metadata = {"reset_pose": _RESET_POSE}
    return config


def _pen_uncap(name: str, model: config_dict.ConfigDict, base: str, batch_size: int):
    config = schema.base_config(name, model)
    config.data.update(
        repo_id="physical-intelligence/aloha_pen_uncap_diverse",
        assets_dir=f"{_CHECKPOINTS}/{base}/assets",
        asset_id="trossen",
        default_prompt="uncap the pen",
        repack=_THREE_CAMERAS,
    )
    config.weights.update(kind="checkpoint", path=f"{_CHECKPOINTS}/{base}/params")
    config.update(num_train_steps=20_000, batch_size=batch_size)
    return config


def _pi0_aloha_sim():
    config = schema.base_config("pi0_aloha_sim", robot=robots.aloha(delta=False))
    config.data.update(repo_id="lerobot/aloha_sim_transfer_cube_human", default_prompt="Transfer cube")
    config.weights.update(kind="checkpoint", path=f"{_CHECKPOINTS}/pi0_base/params")
    config.num_train_steps = 20_000
    config.sampling.replan_steps = 10
    return config


_TUPPERWARE_PROMPT = "open the tupperware and put the food on the plate"

_VARIANTS = {
    "aloha_reach": _aloha_reach,
    "aloha_reach_pi05": _aloha_reach_pi05,
    "aloha_reach_fast": _aloha_reach_fast,
    "pi0_aloha": lambda: _inference("pi0_aloha", schema.pi0_model()),
    "pi05_aloha": lambda: _inference("pi05_aloha", schema.pi05_model()),
    "pi0_aloha_towel": lambda: _inference("pi0_aloha_towel", schema.pi0_model(), "fold the towel"),
    "pi0_aloha_tupperware": lambda: _inference("pi0_aloha_tupperware", schema.pi0_model(), _TUPPERWARE_PROMPT),
    "pi0_aloha_pen_uncap": lambda: _pen_uncap("pi0_aloha_pen_uncap", schema.pi0_model(), "pi0_base", 32),
    "pi05_aloha_pen_uncap": lambda: _pen_uncap("pi05_aloha_pen_uncap", schema.pi05_model(), "pi05_base", 64),
    "pi0_aloha_sim": _pi0_aloha_sim,
}
