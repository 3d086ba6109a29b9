"""The released configuration names and where each lives, so that `--config_name=pi0_aloha_sim` and
`--config=experiments/aloha.py:pi0_aloha_sim` mean the same."""

from openpi.config import suggest

# name -> (experiment file, relative to the repo; variant)
CONFIG_TABLE = {
    name: ("experiments/aloha.py", name)
    for name in (
        "aloha_reach",
        "aloha_reach_pi05",
        "aloha_reach_fast",
        "pi0_aloha",
        "pi05_aloha",
        "pi0_aloha_towel",
        "pi0_aloha_tupperware",
        "pi0_aloha_pen_uncap",
        "pi05_aloha_pen_uncap",
        "pi0_aloha_sim",
    )
}


def config_path(name: str) -> str:
    """`FILE:VARIANT` of a released name; an unknown name is a ValueError that names the nearest."""
    if name not in CONFIG_TABLE:
        raise ValueError(f"--config_name={name}: no such configuration{suggest.hint(name, CONFIG_TABLE)}")
    return ":".join(CONFIG_TABLE[name])
