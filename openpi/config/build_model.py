"""config.model → the sizes that the networks are built from."""

from openpi.config import schema
from openpi.models import gemma, lora, pi0, siglip


def build(model: schema.ConfigDict) -> pi0.Pi0Config:
    """The model of `config.model`; `validate.validate` has checked the fields."""
    return pi0.Pi0Config(
        dtype=model.dtype,
        siglip=siglip.SiglipConfig(
            width=model.siglip.width,
            depth=model.siglip.depth,
            mlp_dim=model.siglip.mlp_dim,
            num_heads=model.siglip.num_heads,
            patch_size=(model.siglip.patch_size, model.siglip.patch_size),
            posemb_init=model.siglip.posemb_init,
            head_init=model.siglip.head_init,
        ),
        language=_gemma(model.language),
        expert=_gemma(model.expert),
        vocab_size=model.vocab_size,
        action_dim=model.action_dim,
        action_horizon=model.action_horizon,
        max_token_len=model.max_token_len,
        pi05=model.type == "pi05",
        image_keys=tuple(model.image_keys),
        image_resolution=(model.image_size, model.image_size),
        augmentation=model.augmentation,
        remat=model.remat,
    )


def _gemma(size: schema.ConfigDict) -> gemma.GemmaConfig:
    return gemma.GemmaConfig(
        width=size.width,
        depth=size.depth,
        mlp_dim=size.mlp_dim,
        num_heads=size.num_heads,
        num_kv_heads=size.num_kv_heads,
        head_dim=size.head_dim,
        lora=lora.LoraConfig(rank=size.lora_rank, alpha=size.lora_alpha) if size.lora_rank else None,
    )
