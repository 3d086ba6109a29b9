"""LIBERO: a simulated Franka arm, two cameras. The released fine-tunes, all on physical-intelligence/libero:

pi05_libero (default), pi0_libero, pi0_fast_libero     all parameters
pi0_libero_low_mem_finetune, pi0_fast_libero_low_mem_finetune     LoRA
"""

from ml_collections import config_dict

from openpi.config import freeze, robots, schema

_CHECKPOINTS = "gs://openpi-assets/checkpoints"


def get_config(variant: str = "") -> config_dict.ConfigDict:
    """The configuration of a variant; an unknown one is a ValueError that names the nearest."""
    return schema.pick_variant(_VARIANTS, variant, default="pi05_libero")


def _libero(name: str, model: config_dict.ConfigDict, base: str, *, delta: bool = True):
    robot = robots.libero(model.type, delta=delta)
    model.image_keys = robots.image_keys(robot)
    config = schema.base_config(name, model, robot)
    config.data.update(repo_id="physical-intelligence/libero", prompt_from_task=True, action_sequence_keys=("actions",))
    config.data.repack = {
        "observation/image": "image",
        "observation/wrist_image": "wrist_image",
        "observation/state": "state",
        "actions": "actions",
        "prompt": "prompt",
    }
    config.weights.update(kind="checkpoint", path=f"{_CHECKPOINTS}/{base}/params")
    config.sampling.replan_steps = 5
    return config


def _with_lora(config: config_dict.ConfigDict):
    config.update(freeze=freeze.lora_filter(config.model), ema_decay=0.0)
    return config


def _fast(name: str, language: str = "gemma_2b"):
    model = schema.pi0_fast_model(language=language)
    model.update(action_dim=7, action_horizon=10, max_token_len=180)
    return _libero(name, model, "pi0_fast_base")


def _pi0_libero_low_mem_finetune():
    model = schema.pi0_model(language="gemma_2b_lora", expert="gemma_300m_lora")
    return _with_lora(_libero("pi0_libero_low_mem_finetune", model, "pi0_base"))


def _pi05_libero():
    model = schema.pi05_model()
    model.update(action_horizon=10, discrete_state_input=False)
    config = _libero("pi05_libero", model, "pi05_base", delta=False)
    config.lr_schedule = schema.cosine_schedule(10_000, 5e-5, 1_000_000, 5e-5)
    config.update(batch_size=256, ema_decay=0.999)
    return config


_VARIANTS = {
    "pi05_libero": _pi05_libero,
    "pi0_libero": lambda: _libero("pi0_libero", schema.pi0_model(), "pi0_base"),
    "pi0_libero_low_mem_finetune": _pi0_libero_low_mem_finetune,
    "pi0_fast_libero": lambda: _fast("pi0_fast_libero"),
    "pi0_fast_libero_low_mem_finetune": lambda: _with_lora(
        _fast("pi0_fast_libero_low_mem_finetune", language="gemma_2b_lora")
    ),
}
