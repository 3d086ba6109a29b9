"""Learning rates over the optimizer's steps."""

import optax


def cosine(*, warmup_steps: int, peak_lr: float, decay_steps: int, decay_lr: float) -> optax.Schedule:
    """Linear warm-up, then half a cosine down to `decay_lr`, then constant.

    Args:
      warmup_steps: steps from `peak_lr / (warmup_steps + 1)` up to `peak_lr`.
      peak_lr: the highest rate.
      decay_steps: the step at which `decay_lr` is reached; it counts from 0 and so includes the warm-up.
      decay_lr: the last rate.

    Raises:
      ValueError: there are no steps left to decay in.
    """
    if decay_steps <= warmup_steps:
        raise ValueError(
            f"config.lr_schedule.decay_steps={decay_steps} counts from step 0 and must exceed "
            f"config.lr_schedule.warmup_steps={warmup_steps}"
        )
    return optax.warmup_cosine_decay_schedule(
        init_value=peak_lr / (warmup_steps + 1),
        peak_value=peak_lr,
        warmup_steps=warmup_steps,
        decay_steps=decay_steps,
        end_value=decay_lr,
    )


def inverse_sqrt(*, warmup_steps: int, peak_lr: float, timescale: float) -> optax.Schedule:
    """Linear warm-up as in `cosine`, then `peak_lr / sqrt((timescale + steps since warm-up) / timescale)`."""
    warmup = optax.linear_schedule(peak_lr / (warmup_steps + 1), peak_lr, warmup_steps)
    decay = lambda step: peak_lr / ((timescale + step) / timescale) ** 0.5
    return optax.join_schedules([warmup, decay], [warmup_steps])
