"""Flow matching on a straight path: actions at time 0, noise at time 1."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def interpolate(
    actions: Float[Array, "B H A"], noise: Float[Array, "*draws B H A"], time: Float[Array, "*draws B"]
) -> tuple[Float[Array, "*draws B H A"], Float[Array, "*draws B H A"]]:
    """The point of the path at `time`, and the velocity along it (towards noise)."""
    time = time[..., None, None]
    return time * noise + (1 - time) * actions, noise - actions


def integrate(
    velocity: Callable[[Float[Array, "B H A"], Float[Array, ""]], Float[Array, "B H A"]],
    noise: Float[Array, "B H A"],
    num_steps: int | Int[Array, ""],
) -> Float[Array, "B H A"]:
    """Euler steps from noise to actions.

    Args:
        velocity: of a point at a time, which counts down from 1 by `1 / num_steps` a step.
        noise: where to start.
        num_steps: may be traced: one program serves every number of steps.

    Raises:
        ValueError: when `num_steps` is known and below 1.
    """
    if isinstance(num_steps, int) and num_steps < 1:
        raise ValueError(f"num_steps={num_steps} must be at least 1")
    dt = -1.0 / num_steps

    def step(carry):
        x_t, time = carry
        return x_t + dt * velocity(x_t, time), time + dt

    # Half a step of slack: float32 time does not end at exactly 0.
    x_0, _ = jax.lax.while_loop(lambda carry: carry[1] >= -dt / 2, step, (noise, jnp.float32(1.0)))
    return x_0
