"""config.model → the sizes that the networks are built from."""

from typing import Any

from openpi.config import schema
from openpi.models import gemma, lora, pi0, pi0_fast, siglip


def build(model: schema.ConfigDict) -> pi0.Pi0Config | pi0_fast.Pi0FastConfig:
    """The model of `config.model`; `validate.validate` has checked the fields."""
    common: dict[str, Any] = {
        "dtype": model.dtype,
        "siglip": _siglip(model.siglip),
        "language": _gemma(model.language),
        "vocab_size": model.vocab_size,
        "action_dim": model.action_dim,
        "action_horizon": model.action_horizon,
        "max_token_len": model.max_token_len,
        "image_keys": tuple(model.image_keys),
        "image_resolution": (model.image_size, model.image_size),
        "augmentation": model.augmentation,
        "remat": model.remat,
    }
    if model.type == "pi0_fast":
        return pi0_fast.Pi0FastConfig(**common)
    return pi0.Pi0Config(**common, expert=_gemma(model.expert), pi05=model.type == "pi05")


def _siglip(size: schema.ConfigDict) -> siglip.SiglipConfig:
    return siglip.SiglipConfig(
        width=size.width,
        depth=size.depth,
        mlp_dim=size.mlp_dim,
        num_heads=size.num_heads,
        patch_size=(size.patch_size, size.patch_size),
        posemb_init=size.posemb_init,
        head_init=size.head_init,
    )


def _gemma(size: schema.ConfigDict) -> gemma.GemmaConfig:
    adapter = lora.LoraConfig(rank=size.lora_rank, alpha=size.lora_alpha, rslora=size.lora_rslora)
    return gemma.GemmaConfig(
        width=size.width,
        depth=size.depth,
        mlp_dim=size.mlp_dim,
        num_heads=size.num_heads,
        num_kv_heads=size.num_kv_heads,
        head_dim=size.head_dim,
        lora=adapter if size.lora_rank else None,
    )
