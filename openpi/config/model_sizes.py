"""Sizes of the networks, as plain data: the published ones and those that train on a CPU.

Each function returns a new dict that goes into a ConfigDict, so that every number can be overridden from the command
line (`--config.model.siglip.width=96`). Sources: SigLIP "So400m/14" (Zhai et al. 2023), Gemma 2B as PaliGemma's
language model (Beyer et al. 2024), the 300M action expert of pi0 (Black et al. 2024).
"""

from openpi.config import suggest

# width D, depth (layers), mlp_dim F, num_heads N, num_kv_heads K, head_dim H.
_GEMMA = {
    "gemma_2b": {"width": 2048, "depth": 18, "mlp_dim": 16384, "num_heads": 8, "num_kv_heads": 1, "head_dim": 256},
    "gemma_300m": {"width": 1024, "depth": 18, "mlp_dim": 4096, "num_heads": 8, "num_kv_heads": 1, "head_dim": 256},
    "dummy": {"width": 64, "depth": 4, "mlp_dim": 128, "num_heads": 8, "num_kv_heads": 1, "head_dim": 16},
    "small": {"width": 64, "depth": 2, "mlp_dim": 128, "num_heads": 2, "num_kv_heads": 1, "head_dim": 32},
}

# Low-rank adapters on attention and feed-forward (Hu et al. 2021): the size they are for, rank and alpha.
_LORA = {
    "gemma_2b_lora": ("gemma_2b", 16, 16.0),
    "gemma_300m_lora": ("gemma_300m", 32, 32.0),
    "small_lora": ("small", 4, 4.0),
}

_SIGLIP = {
    "So400m/14": {"width": 1152, "depth": 27, "mlp_dim": 4304, "num_heads": 16, "patch_size": 14},
    "small/28": {"width": 64, "depth": 2, "mlp_dim": 128, "num_heads": 4, "patch_size": 28},
}
# How a tower that is trained from nothing starts. The published tower's head is zero at first; a small one learns
# sooner from sin-cos positions and a live head.
_SIGLIP_INIT = {
    "So400m/14": {"posemb_init": "normal", "head_init": "zeros"},
    "small/28": {"posemb_init": "sincos2d", "head_init": "lecun"},
}


def gemma(variant: str) -> dict:
    """Sizes of a Gemma expert: gemma_2b, gemma_300m, small (all three also with the suffix _lora) or dummy.

    A `lora_rank` of 0 is no adapter; `lora_rslora` scales it by alpha / sqrt(rank) instead of alpha / rank.
    """
    base, rank, alpha = _LORA.get(variant, (variant, 0, 1.0))
    if base not in _GEMMA:
        raise ValueError(f"unknown Gemma size {variant!r}{suggest.hint(variant, [*_GEMMA, *_LORA])}")
    return {**_GEMMA[base], "lora_rank": rank, "lora_alpha": alpha, "lora_rslora": False}


def siglip(variant: str) -> dict:
    """Sizes of the image tower: So400m/14 (published) or small/28; patch_size in pixels, square."""
    if variant not in _SIGLIP:
        raise ValueError(f"unknown SigLIP size {variant!r}{suggest.hint(variant, _SIGLIP)}")
    return {**_SIGLIP[variant], **_SIGLIP_INIT[variant]}
