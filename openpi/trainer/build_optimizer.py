"""config.optimizer and config.lr_schedule → the gradient transformation."""

from collections.abc import Callable

import optax

from openpi.config import schema
from openpi.trainer import optimizer
from openpi.trainer import schedule as schedule_lib

# by `kind`: the function, and the fields that it takes
_Kinds = dict[str, tuple[Callable, tuple[str, ...]]]
_SCHEDULES: _Kinds = {
    "cosine": (schedule_lib.cosine, ("warmup_steps", "peak_lr", "decay_steps", "decay_lr")),
    "inverse_sqrt": (schedule_lib.inverse_sqrt, ("warmup_steps", "peak_lr", "timescale")),
}
_OPTIMIZERS: _Kinds = {
    "adamw": (optimizer.adamw, ("b1", "b2", "eps", "weight_decay", "clip_gradient_norm")),
    "sgd": (optimizer.sgd, ("momentum", "nesterov")),
}


def build(config: schema.ConfigDict) -> optax.GradientTransformation:
    """The optimizer of a configuration; `validate.validate` has checked the kinds.

    Raises:
      ValueError: the schedule makes no sense.
    """
    make_optimizer, fields = _OPTIMIZERS[config.optimizer.kind]
    return make_optimizer(schedule(config), **{field: config.optimizer[field] for field in fields})


def schedule(config: schema.ConfigDict) -> optax.Schedule:
    """The learning rate of a configuration, by step.

    Raises:
      ValueError: it makes no sense.
    """
    make_rate, fields = _SCHEDULES[config.lr_schedule.kind]
    return make_rate(**{field: config.lr_schedule[field] for field in fields})
