"""Checks of a configuration that need no data: each error names the field, its value and what would do."""

from openpi.config import schema, suggest, validate_data

_KINDS = {
    "model.type": tuple(schema.MODELS),
    "model.dtype": ("bfloat16", "float32"),
    "model.augmentation": ("none", "published", "corrected"),
    "model.remat": ("none", "dots", "full"),
    "model.siglip.posemb_init": ("normal", "sincos2d"),
    "model.siglip.head_init": ("zeros", "lecun"),
    "tokenizer.actions": ("fast", "binning", "fsq"),
    "data.cache": ("none", "frames", "video", "auto"),
    "data.kind": ("lerobot", "droid_rlds", "fake"),
    "data.reader": ("openpi", "lerobot"),
    "data.rlds.action_space": ("joint_position", "joint_velocity"),
    "data.generator": ("", "aloha_reach", "aloha_pick", "aloha_transfer", "aloha_tasks"),
    "weights.kind": ("none", "checkpoint", "paligemma", "pytorch"),
    "on_divergence": ("stop", "skip"),
    "optimizer.kind": ("adamw", "sgd"),
    "lr_schedule.kind": ("cosine", "inverse_sqrt"),
    "wandb.mode": ("off", "offline", "online"),
}
_POSITIVE = (
    "batch_size",
    "num_train_steps",
    "log_interval",
    "save_interval",
    "keep_latest",
    "noise_draws",
    "accumulation_steps",
    "optimizer.eps",
    "optimizer.clip_gradient_norm",
    "lr_schedule.peak_lr",
    "lr_schedule.timescale",
    "fsdp_devices",
    "validation.interval",
    "validation.num_frames",
    "model.image_size",
    "model.action_dim",
    "model.action_horizon",
    "model.max_token_len",
    "model.vocab_size",
    "sampling.num_steps",
    "sampling.max_decoding_steps",
    "sampling.replan_steps",
    *(f"model.siglip.{size}" for size in ("width", "depth", "mlp_dim", "num_heads", "patch_size")),
)
_GEMMA_SIZES = ("width", "depth", "mlp_dim", "num_heads", "num_kv_heads", "head_dim")


def validate(config: schema.ConfigDict) -> None:
    """Raises ValueError, in one line, for the first field that cannot work."""
    for field, kinds in _KINDS.items():
        value = _get(config, field)
        if value not in kinds:
            raise ValueError(f"config.{field}={value!r} is unknown{suggest.hint(value, kinds)}")
    _check_experts(config.model)
    experts = [expert for expert in ("language", "expert") if expert in config.model]
    for field in (*_POSITIVE, *(f"model.{expert}.{size}" for expert in experts for size in _GEMMA_SIZES)):
        if _get(config, field) <= 0:
            raise ValueError(f"config.{field}={_get(config, field)} must be positive")
    if config.sampling.temperature < 0:
        raise ValueError(
            f"config.sampling.temperature={config.sampling.temperature} must be at least 0 (no randomness)"
        )
    if not 0.0 <= config.ema_decay < 1.0:
        raise ValueError(f"config.ema_decay={config.ema_decay} must be at least 0 (off) and below 1")
    for field in ("optimizer.b1", "optimizer.b2", "optimizer.momentum"):
        if not 0.0 <= _get(config, field) < 1.0:
            raise ValueError(f"config.{field}={_get(config, field)} must be at least 0 and below 1")
    for field in ("optimizer.weight_decay", "lr_schedule.warmup_steps", "lr_schedule.decay_lr"):
        if _get(config, field) < 0:
            raise ValueError(f"config.{field}={_get(config, field)} must be at least 0")
    if config.batch_size % config.accumulation_steps:
        raise ValueError(
            f"config.accumulation_steps={config.accumulation_steps} must divide config.batch_size={config.batch_size}"
        )
    for field in ("keep_period", "keep_best", "max_skipped_steps"):
        if config[field] < 0:
            raise ValueError(f"config.{field}={config[field]} must be at least 0")
    if config.divergence_factor and config.divergence_factor <= 1.0:
        raise ValueError(f"config.divergence_factor={config.divergence_factor} must be above 1, or 0 (off)")
    if config.overwrite and config.resume:
        raise ValueError("config.overwrite and config.resume are both set: choose one")
    if not config.exp_name or "/" in config.exp_name or config.exp_name.startswith("."):
        raise ValueError(f"config.exp_name={config.exp_name!r} must be a folder name")
    if config.weights.kind in ("checkpoint", "pytorch") and not config.weights.path:
        raise ValueError(
            f"config.weights.kind={config.weights.kind!r} needs config.weights.path, the checkpoint to start from"
        )
    if config.model.type == "pi0_fast" and config.noise_draws != 1:
        raise ValueError(f"config.noise_draws={config.noise_draws}: pi0_fast learns without noise; set it to 1")
    if config.tokenizer.vocab_size > config.model.vocab_size:
        raise ValueError(
            f"config.tokenizer.vocab_size={config.tokenizer.vocab_size} is more than config.model.vocab_size="
            f"{config.model.vocab_size}, the tokens that the model has: raise the latter"
        )
    _check_model(config.model)
    _check_validation(config)
    validate_data.validate(config)


def _check_validation(config: schema.ConfigDict) -> None:
    validation = config.validation
    if not 0.0 <= validation.share < 1.0:
        raise ValueError(f"config.validation.share={validation.share} must be at least 0 (none) and below 1")
    if validation.share and validation.episodes:
        raise ValueError("config.validation.share and config.validation.episodes are both set: choose one")
    if validation.open_loop_episodes < 0:
        raise ValueError(
            f"config.validation.open_loop_episodes={validation.open_loop_episodes} must be at least 0 (no pictures)"
        )
    on = bool(validation.share or validation.episodes)
    if on and config.data.kind == "fake":
        raise ValueError("config.validation needs episodes, and config.data.kind='fake' has none: set share to 0")
    if config.keep_best and not on:
        raise ValueError(
            f"config.keep_best={config.keep_best} needs a validation: set config.validation.share, e.g. to 0.05"
        )
    if config.keep_best and config.save_interval % validation.interval:
        raise ValueError(
            f"config.keep_best={config.keep_best} needs every checkpoint validated: config.validation.interval="
            f"{validation.interval} must divide config.save_interval={config.save_interval}"
        )


def _check_experts(model: schema.ConfigDict) -> None:
    if ("expert" in model) == (model.type == "pi0_fast"):
        has = "has no" if model.type == "pi0_fast" else "needs an"
        raise ValueError(
            f"config.model.type={model.type!r} {has} action expert: begin with schema.{model.type}_model()"
        )


def _check_model(model: schema.ConfigDict) -> None:
    for expert in ("language", "expert"):
        if expert in model and model[expert].lora_rank < 0:
            raise ValueError(
                f"config.model.{expert}.lora_rank={model[expert].lora_rank} must be at least 0 (no adapter)"
            )
    for size in ("depth", "num_heads", "num_kv_heads", "head_dim"):
        if "expert" in model and model.language[size] != model.expert[size]:
            raise ValueError(
                f"config.model.language.{size}={model.language[size]} and config.model.expert.{size}="
                f"{model.expert[size]} differ: the two experts share their attention"
            )
    if model.language.num_heads % model.language.num_kv_heads:
        raise ValueError(
            f"config.model.language.num_heads={model.language.num_heads} is no multiple of num_kv_heads="
            f"{model.language.num_kv_heads}"
        )
    if model.siglip.width % model.siglip.num_heads:
        raise ValueError(
            f"config.model.siglip.width={model.siglip.width} is no multiple of num_heads={model.siglip.num_heads}"
        )
    if model.image_size % model.siglip.patch_size:
        raise ValueError(
            f"config.model.siglip.patch_size={model.siglip.patch_size} does not divide config.model.image_size="
            f"{model.image_size}"
        )
    if not model.image_keys:
        raise ValueError("config.model.image_keys is empty: name at least one camera, e.g. ('base_0_rgb',)")


def _get(config: schema.ConfigDict, field: str):
    for part in field.split("."):
        config = config[part]
    return config
