"""Gradient transformations. The nesting is that of the published train states, so that saved states have their paths."""

import optax


def adamw(
    learning_rate: optax.ScalarOrSchedule,
    *,
    b1: float = 0.9,
    b2: float = 0.95,
    eps: float = 1e-8,
    weight_decay: float = 1e-10,
    clip_gradient_norm: float = 1.0,
) -> optax.GradientTransformation:
    """Clips by the global norm, then AdamW; weights of every shape decay."""
    return optax.chain(
        optax.clip_by_global_norm(clip_gradient_norm),
        optax.adamw(learning_rate, b1=b1, b2=b2, eps=eps, weight_decay=weight_decay),
    )


def sgd(
    learning_rate: optax.ScalarOrSchedule, *, momentum: float = 0.9, nesterov: bool = False
) -> optax.GradientTransformation:
    """Gradient descent with momentum; no clipping."""
    return optax.sgd(learning_rate, momentum=momentum, nesterov=nesterov)
