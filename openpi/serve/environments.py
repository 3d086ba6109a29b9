"""The released policy of each environment, as the published server chose it: configuration and checkpoint."""

from typing import NamedTuple


class Released(NamedTuple):
    """A checkpoint and the name of the configuration that it was released under."""

    config_name: str
    checkpoint: str


_CHECKPOINTS = "gs://openpi-assets/checkpoints"

ENVIRONMENTS = {
    "ALOHA": Released("pi05_aloha", f"{_CHECKPOINTS}/pi05_base"),
    "ALOHA_SIM": Released("pi0_aloha_sim", f"{_CHECKPOINTS}/pi0_aloha_sim"),
    "DROID": Released("pi05_droid", f"{_CHECKPOINTS}/pi05_droid"),
    "LIBERO": Released("pi05_libero", f"{_CHECKPOINTS}/pi05_libero"),
}
