"""Real-time chunking: a flow is led to go on where the running chunk stands (Black, Galliker, Levine 2025).

The next chunk is computed while the running one is played: its first `delay` actions are what the robot will have done by
then, those behind should agree with the running chunk the less the further ahead they are, and the last `horizon` are free.
What is left of the running chunk is the target of a guided flow: each velocity is corrected by how far the actions that it
promises are from the target.

Axis letters: `H` is the action horizon here, `A` the action dim.
"""

from collections.abc import Callable
from typing import TypeAlias

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

Velocity: TypeAlias = Callable[[Float[Array, "B H A"], Float[Array, ""]], Float[Array, "B H A"]]

METHODS = ("full", "identity")
BETA = 5.0  # the paper's, for few steps


@flax.struct.dataclass
class Guidance:
    """Where a flow is led to. All but the method may be traced."""

    target: Float[Array | np.ndarray, "B H A"]  # index 0 is the next control step; any numbers where the weight is 0
    weights: Float[Array | np.ndarray, "B H A"]  # 0 … 1, see `soft_mask`; a row of zeros is not guided at all
    beta: Float[Array | np.ndarray, " B"]  # the correction's highest weight
    method: str = flax.struct.field(pytree_node=False, default="full")  # see `guided`


def soft_mask(action_horizon: int, delay: int, horizon: int) -> Float[np.ndarray, " H"]:
    """How much each action of the next chunk must agree with the running one, float32: 1, then less and less, then 0.

    Args:
        action_horizon: actions of a chunk, `H`.
        delay: first actions that will have been done when the chunk arrives; 0 or more.
        horizon: last actions that the running chunk does not reach, or leaves free; at least 0.

    Raises:
        ValueError: the delay is longer than what the two chunks share, or a number is out of range.
    """
    if not 0 <= horizon <= action_horizon or delay < 0:
        raise ValueError(f"delay={delay}, horizon={horizon} do not lie in a chunk of {action_horizon} actions")
    if delay > action_horizon - horizon:
        raise ValueError(
            f"delay={delay} is more than the {action_horizon - horizon} actions that a chunk of {action_horizon} shares with "
            f"the next after horizon={horizon}: inference is too slow for this chunk; ask earlier, or use longer chunks"
        )
    index = np.arange(action_horizon)
    left = np.clip((action_horizon - horizon - index) / (action_horizon - horizon - delay + 1), 0, 1)
    return np.where(index < delay, 1, left * np.expm1(left) / np.expm1(1)).astype(np.float32)


def guided(velocity: Velocity, guidance: Guidance) -> Velocity:
    """The velocity, corrected so that the flow ends near the target.

    The correction is the gradient of the error that the promised actions make. "full" goes back through the network: it chooses
    among the actions that the model holds possible, and has no power where it is sure of one. "identity" leaves the network's
    part out: less work, and it moves a sure model too, away from what was learned.

    Raises:
        ValueError: the method is none of METHODS.
    """
    if guidance.method not in METHODS:
        raise ValueError(f"method={guidance.method!r} of real-time chunking is none of {', '.join(METHODS)}")

    def corrected(x_t: Float[Array, "B H A"], time: Float[Array, ""]) -> Float[Array, "B H A"]:
        if guidance.method == "full":
            v_t, pull_back = jax.vjp(lambda x: velocity(x, time), x_t)
        else:
            v_t = velocity(x_t, time)
        error = guidance.weights * (guidance.target - (x_t - time * v_t))
        step = error
        if guidance.method == "full":
            (through_network,) = pull_back(error.astype(v_t.dtype))
            step = error - time * through_network
        return v_t - strength(time, guidance.beta)[:, None, None] * step

    return corrected


def strength(time: Float[ArrayLike, ""], beta: Float[ArrayLike, " B"]) -> Float[Array, " B"]:
    """The correction's weight: (1 - t)² + t² over (1 - t) t, at most `beta`; so `beta` at both ends, and 2 or more between."""
    data = 1 - time
    return jnp.minimum(beta, (jnp.square(data) + jnp.square(time)) / (data * time))
