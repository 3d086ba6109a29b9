"""The released configuration names and where each lives, so that `--config_name=pi0_aloha_sim` and
`--config=experiments/aloha.py:pi0_aloha_sim` mean the same."""

from openpi.config import suggest

_VARIANTS = {
    "aloha": (
        "aloha_reach",
        "aloha_reach_pi05",
        "aloha_reach_fast",
        "aloha_pick",
        "aloha_pick_pi05",
        "aloha_pick_fast",
        "aloha_transfer",
        "aloha_transfer_pi05",
        "aloha_transfer_fast",
        "aloha_tasks",
        "aloha_tasks_pi05",
        "aloha_tasks_fast",
        "pi0_aloha",
        "pi05_aloha",
        "pi0_aloha_towel",
        "pi0_aloha_tupperware",
        "pi0_aloha_pen_uncap",
        "pi05_aloha_pen_uncap",
        "pi0_aloha_sim",
    ),
    "droid": (
        "pi0_droid",
        "pi0_fast_droid",
        "pi05_droid",
        "pi05_droid_finetune",
        "pi0_fast_full_droid_finetune",
        "pi05_full_droid_finetune",
        "paligemma_binning_droid",
        "paligemma_fast_droid",
        "paligemma_fast_specialist_droid",
        "paligemma_vq_droid",
        "paligemma_diffusion_droid",
        "pi05_droid_jointpos_polaris",
        "pi0_fast_droid_jointpos_polaris",
        "pi0_droid_jointpos_polaris",
        "pi0_droid_jointpos_100k_polaris",
        "paligemma_binning_droid_jointpos",
    ),
    "libero": (
        "pi05_libero",
        "pi0_libero",
        "pi0_libero_low_mem_finetune",
        "pi0_fast_libero",
        "pi0_fast_libero_low_mem_finetune",
    ),
    "ur5": ("pi0_ur5_finetune", "pi05_ur5_finetune", "pi0_fast_ur5_finetune"),
    "debug": ("debug", "debug_restore", "debug_pi05"),
}

# name -> (experiment file, relative to the repo; variant)
CONFIG_TABLE = {name: (f"experiments/{file}.py", name) for file, names in _VARIANTS.items() for name in names}


def config_path(name: str) -> str:
    """`FILE:VARIANT` of a released name; an unknown name is a ValueError that names the nearest."""
    if name not in CONFIG_TABLE:
        raise ValueError(f"--config_name={name}: no such configuration{suggest.hint(name, CONFIG_TABLE)}")
    return ":".join(CONFIG_TABLE[name])
