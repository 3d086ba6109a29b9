"""ALOHA: two 6-joint arms with grippers, 14 actions.

--config=experiments/aloha.py                     a small pi0 from scratch on the simulated reach task (minutes on a CPU)
--config=experiments/aloha.py:aloha_pick          the same on another task: aloha_pick, aloha_transfer, or aloha_tasks, all three
                                                  told apart by their prompts
--config=experiments/aloha.py:aloha_reach_pi05    a task's name with _pi05: a small pi0.5
--config=experiments/aloha.py:aloha_reach_fast    with _fast: a small pi0-FAST, whose action codec is trained first
--config=experiments/aloha.py:pi0_aloha           one of the released configurations below
"""

import functools

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


def _small_pi0(name: str):
    # "reach the cube" has 7 tokens, the longest prompt 14.
    model = schema.pi0_model(**_SMALL, expert="small")
    return _simulated(name, name, model, max_token_len=8 if name == "aloha_reach" else 16)


def _small_pi05(name: str):
    # 73 tokens for "reach the cube": the prompt and 14 numbers.
    model = schema.pi05_model(**_SMALL, expert="small")
    return _simulated(f"{name}_pi05", name, model, max_token_len=80 if name == "aloha_reach" else 96)


def _small_fast(name: str):
    # Prompt and state as pi0.5's, then the actions: 134 tokens at the most where both arms move.
    config = _simulated(f"{name}_fast", name, schema.pi0_fast_model(**_SMALL), max_token_len=160)
    config.tokenizer.codec = ""
    config.noise_draws = 1
    config.sampling.max_decoding_steps = 96
    return config


def _simulated(name: str, dataset: str, model: config_dict.ConfigDict, max_token_len: int):
    episodes, steps, prompt = _SIMULATED[dataset]
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
        repo_id=f"openpi/{dataset}",
        generator=dataset,
        generator_episodes=episodes,
        default_prompt=prompt,
        repack={
            "images": {"cam_high": "observation.images.cam_high"},
            "state": "observation.state",
            "actions": "action",
        },
        compute_norm_stats=True,
        min_std=1e-2,
        cache="frames",
    )
    if not prompt:
        config.data.prompt_from_task = True
        config.data.repack.prompt = "prompt"
    config.update(batch_size=32, noise_draws=4, num_train_steps=steps, ema_decay=0.99, num_workers=0)
    config.update(log_interval=50, save_interval=500, keep_period=0)
    config.lr_schedule = schema.cosine_schedule(100, 3e-3, steps, 3e-5)
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

_SMALL = {"language": "small", "siglip": "small/28"}
# dataset: demonstrations, training steps, prompt ("": each demonstration's own)
_SIMULATED = {
    "aloha_reach": (600, 2000, "reach the cube"),
    "aloha_pick": (600, 3000, "pick up the cube"),
    "aloha_transfer": (600, 3000, "hand the cube over"),
    "aloha_tasks": (600, 3000, ""),
}
_VARIANTS = {
    **{name: functools.partial(_small_pi0, name) for name in _SIMULATED},
    **{f"{name}_pi05": functools.partial(_small_pi05, name) for name in _SIMULATED},
    **{f"{name}_fast": functools.partial(_small_fast, name) for name in _SIMULATED},
    "pi0_aloha": lambda: _inference("pi0_aloha", schema.pi0_model()),
    "pi05_aloha": lambda: _inference("pi05_aloha", schema.pi05_model()),
    "pi0_aloha_towel": lambda: _inference("pi0_aloha_towel", schema.pi0_model(), "fold the towel"),
    "pi0_aloha_tupperware": lambda: _inference("pi0_aloha_tupperware", schema.pi0_model(), _TUPPERWARE_PROMPT),
    "pi0_aloha_pen_uncap": lambda: _pen_uncap("pi0_aloha_pen_uncap", schema.pi0_model(), "pi0_base", 32),
    "pi05_aloha_pen_uncap": lambda: _pen_uncap("pi05_aloha_pen_uncap", schema.pi05_model(), "pi05_base", 64),
    "pi0_aloha_sim": _pi0_aloha_sim,
}
