"""config.optimizer and config.lr_schedule → the gradient transformation."""

import optax

from openpi.config import schema
from openpi.trainer import optimizer, schedule

_SCHEDULES = {"cosine": schedule.cosine}
_OPTIMIZERS = {"adamw": optimizer.adamw}


def build(config: schema.ConfigDict) -> optax.GradientTransformation:
    """The optimizer of a configuration; `validate.validate` has checked the kinds.

    Raises:
      ValueError: the schedule makes no sense.
    """
    settings = config.lr_schedule.to_dict()
    rate = _SCHEDULES[settings.pop("kind")](**settings)
    settings = config.optimizer.to_dict()
    return _OPTIMIZERS[settings.pop("kind")](rate, **settings)
