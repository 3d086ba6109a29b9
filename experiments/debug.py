"""Training of very small experts on random data, to see that everything runs. The released configurations:

debug (default), debug_pi05    from scratch
debug_restore                  from what `debug` wrote
"""

from ml_collections import config_dict

from openpi.config import schema


def get_config(variant: str = "") -> config_dict.ConfigDict:
    """The configuration of a variant; an unknown one is a ValueError that names the nearest."""
    return schema.pick_variant(_VARIANTS, variant, default="debug")


def _debug(name: str, model: config_dict.ConfigDict, exp_name: str = "debug"):
    config = schema.base_config(name, model)
    config.data.kind = "fake"
    config.update(exp_name=exp_name, num_train_steps=10, batch_size=2, overwrite=True)
    return config


def _pi0():
    return schema.pi0_model(language="dummy", expert="dummy")


def _debug_from_scratch():
    config = _debug("debug", _pi0())
    config.save_interval = 100
    return config


def _debug_restore():
    config = _debug("debug_restore", _pi0())
    config.weights.update(kind="checkpoint", path="./checkpoints/debug/debug/9/params")
    return config


_VARIANTS = {
    "debug": _debug_from_scratch,
    "debug_restore": _debug_restore,
    "debug_pi05": lambda: _debug("debug_pi05", schema.pi05_model(language="dummy", expert="dummy"), "debug_pi05"),
}
