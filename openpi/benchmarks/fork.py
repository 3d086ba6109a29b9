"""A robot that can pass an obstacle on either side, and the exact flow of demonstrations that pass on both.

Each chunk draws its side anew, the nearer one more often: where chunks do not go on from each other, the robot wavers. The
plane is 1 long; actions are positions [x, y], 0.1 s apart.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from openpi.client import base_policy
from openpi.models import flow, real_time_chunking
from openpi.policies import continuation
from openpi.runtime import environment

HORIZON = 12
REPLAN_STEPS = 4
MAX_STEPS = 40
_FORWARD, _SIDEWARD = 0.05, 0.06  # a step of a demonstration
_MOST_FORWARD, _MOST_SIDEWARD = 0.05, 0.08  # a step of the robot, whatever it is told
_BYPASS = 0.3  # how far aside demonstrations pass
_OBSTACLE, _RADIUS = np.array([0.5, 0.0]), 0.15
_NEARER = 6.0  # how clearly demonstrations prefer the side that they are on
_SPREAD = 0.02  # of demonstrations of one side, in the flow's units
_UNIT = 0.2  # of the flow
_FLOW_STEPS = 10


class ForkEnvironment(environment.Environment):
    """From [0, about 0] to x = 1 without touching the obstacle, in 40 steps."""

    def __init__(self, seed: int):
        self._rng = np.random.default_rng(seed)

    def reset(self) -> None:
        self._steps, self.touched = 0, False
        self._position = np.array([0.0, self._rng.uniform(-0.02, 0.02)])

    def is_episode_complete(self) -> bool:
        return self.touched or self._steps >= MAX_STEPS or self._position[0] > 1 - 1e-6

    def get_observation(self) -> dict:
        return {"position": self._position.copy()}

    def apply_action(self, action: dict) -> None:
        most = np.array([_MOST_FORWARD, _MOST_SIDEWARD])
        self._position = self._position + np.clip(action["actions"] - self._position, -most, most)
        self.touched = bool(np.linalg.norm(self._position - _OBSTACLE) < _RADIUS)
        self._steps += 1

    def close(self) -> None:
        """Nothing is open."""

    def success(self) -> bool:
        """Whether the robot is past the obstacle, untouched."""
        return not self.touched and bool(self._position[0] > 1 - 1e-6)


class ForkPolicy(base_policy.BasePolicy):
    """Samples demonstrations by their flow, whose velocity is known: nothing is trained."""

    def __init__(self, seed: int):
        self._rng = np.random.default_rng(seed)

    def infer(self, obs: dict) -> dict:
        """Returns `actions` [12, 2]; takes the option `rtc` as a policy server does."""
        position = obs["position"]
        given = obs.get("openpi", {}).get("rtc")
        lead = continuation.nowhere(HORIZON, 2)
        if given is not None:
            asked = continuation.from_dict(given)
            continuation.check(asked, HORIZON)
            lead = continuation.lead(asked, (asked.remainder - position) / _UNIT, HORIZON)
        noise = self._rng.normal(size=(1, HORIZON, 2)).astype(np.float32)
        sampled = _sample(noise, position.astype(np.float32), continuation.guidance([lead], 1))
        return {"actions": position + _UNIT * np.asarray(sampled[0], np.float64)}


@jax.jit
def _sample(
    noise: Float[Array, "B H A"], position: Float[Array, " A"], guidance: real_time_chunking.Guidance
) -> Float[Array, "B H A"]:
    velocity = functools.partial(_velocity, position)
    return flow.integrate(real_time_chunking.guided(velocity, guidance), noise, _FLOW_STEPS)


def _velocity(
    position: Float[Array, " A"], x_t: Float[Array, "B H A"], time: Float[Array, ""]
) -> Float[Array, "B H A"]:
    """Of the flow to two normal distributions, one about the demonstration of each side."""
    centres = jnp.stack([_demonstration(position, side) for side in (1.0, -1.0)])
    preference = jnp.array([1.0, -1.0]) * _NEARER * position[1] / 2
    variance = jnp.square((1 - time) * _SPREAD) + jnp.square(time)
    off = x_t[:, None] - (1 - time) * centres
    share = jax.nn.softmax(preference - jnp.sum(jnp.square(off), axis=(2, 3)) / (2 * variance))
    data = centres + (1 - time) * _SPREAD**2 / variance * off
    return (x_t - jnp.einsum("BK,BKHA->BHA", share, data)) / time


def _demonstration(position: Float[Array, " A"], side: float) -> Float[Array, "H A"]:
    """The next actions on one side, relative to the position, in the flow's units."""
    forward = jnp.minimum(_FORWARD * jnp.arange(1, HORIZON + 1), 1 - position[0])
    aside = side * _BYPASS * jnp.sin(jnp.pi * (position[0] + forward))

    def follow(y, goal):
        y = y + jnp.clip(goal - y, -_SIDEWARD, _SIDEWARD)
        return y, y

    _, path = jax.lax.scan(follow, position[1], aside)
    return jnp.stack([forward, path - position[1]], axis=-1) / _UNIT
