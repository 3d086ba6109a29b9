"""Real-time chunking as a request asks for it: the next chunk goes on where the running one stands.

    {"remainder": actions [n, A], "delay": 3, "horizon": 10}

`remainder` is what is left of the running chunk, in the robot's own units; its first row is for the step of this observation.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from openpi.models import real_time_chunking


@dataclasses.dataclass(frozen=True, kw_only=True)
class Continuation:
    """What is asked for.

    Attributes:
      remainder: [n, A of the robot], n at least 1.
      delay: steps that the robot will have made when the next chunk arrives; it will have played so much of the remainder.
      horizon: last actions of the next chunk that are free; the more, the less smooth and the quicker to react.
      beta: how strongly the chunk is led, at most.
      method: of `real_time_chunking.METHODS`.
    """

    remainder: np.ndarray
    delay: int
    horizon: int
    beta: float = real_time_chunking.BETA
    method: str = "full"

    def __post_init__(self):
        """Raises ValueError for a value that cannot be used with any chunk."""
        shape, kind = np.shape(self.remainder), np.asarray(self.remainder).dtype.kind
        if len(shape) != 2 or 0 in shape or kind not in "iuf":
            raise ValueError(f"rtc: remainder must be numbers [steps, actions]; got kind {kind!r}, shape {list(shape)}")
        if not np.isfinite(self.remainder).all():
            raise ValueError(
                "rtc: remainder is not finite; send the actions of the running chunk as they were received"
            )
        for name in ("delay", "horizon"):
            value = getattr(self, name)
            if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer) or value < 0:
                raise ValueError(f"rtc: {name} must be a whole number of steps, 0 or more; got {value!r:.80}")
        if self.delay > shape[0]:
            raise ValueError(
                f"rtc: delay={self.delay} is more than the {shape[0]} steps that remain of the running chunk"
            )
        beta = self.beta
        if isinstance(beta, bool) or not isinstance(beta, int | float | np.number) or not 0 <= beta < math.inf:
            raise ValueError(f"rtc: beta must be a finite number, 0 or more; got {beta!r:.80}")
        if self.method not in real_time_chunking.METHODS:
            raise ValueError(f"rtc: method={self.method!r:.80} is none of {', '.join(real_time_chunking.METHODS)}")


def from_dict(given: Any) -> Continuation:
    """What a client's dict asks for. Raises ValueError if it lacks an entry, has another, or one cannot be used."""
    names = [field.name for field in dataclasses.fields(Continuation)]
    needed = names[:3]
    if (
        not isinstance(given, Mapping)
        or any(key not in names for key in given)
        or any(key not in given for key in needed)
    ):
        got = ", ".join(map(str, given)) if isinstance(given, Mapping) else type(given).__name__
        raise ValueError(f"rtc must be a dict of {', '.join(needed)}, and if need be beta, method; got {got:.80}")
    return Continuation(**given)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lead:
    """A row's part of the guidance, in the model's action space: arrays [H, A]."""

    target: Float[np.ndarray, "H A"]
    weights: Float[np.ndarray, "H A"]
    beta: float = 0.0
    method: str = "full"


def nowhere(action_horizon: int, action_dim: int, method: str = "full") -> Lead:
    """A lead that leaves its row free."""
    zeros = np.zeros((action_horizon, action_dim), np.float32)
    return Lead(target=zeros, weights=zeros, method=method)


def check(continuation: Continuation, action_horizon: int) -> None:
    """Raises ValueError if it does not fit chunks of this length."""
    steps = len(continuation.remainder)
    if steps > action_horizon:
        raise ValueError(f"rtc: remainder has {steps} steps, more than the {action_horizon} of a chunk")
    real_time_chunking.soft_mask(action_horizon, continuation.delay, continuation.horizon)


def lead(continuation: Continuation, actions: np.ndarray, action_horizon: int) -> Lead:
    """The lead of a request whose remainder is `actions` [n, A] in the model's space.

    Raises:
      ValueError: the numbers are too large for the model.
    """
    steps, dims = continuation.remainder.shape
    made = nowhere(action_horizon, actions.shape[1])
    target, weights = made.target, made.weights.copy()
    with np.errstate(over="ignore"):
        target = np.concatenate([actions.astype(np.float32), target[steps:]])
    if not np.isfinite(target).all():
        raise ValueError("rtc: remainder is not finite after normalization; send it in the robot's own units")
    mask = real_time_chunking.soft_mask(action_horizon, continuation.delay, continuation.horizon)
    weights[:steps, :dims] = mask[:steps, None]
    return Lead(target=target, weights=weights, beta=float(continuation.beta), method=continuation.method)


def guidance(leads: Sequence[Lead], size: int) -> real_time_chunking.Guidance:
    """The leads, all by one method, as a batch of `size`, whose further rows are free."""
    rows = [*leads, *[nowhere(*leads[0].target.shape)] * (size - len(leads))]
    return real_time_chunking.Guidance(
        target=np.stack([row.target for row in rows]),
        weights=np.stack([row.weights for row in rows]),
        beta=np.array([row.beta for row in rows], np.float32),
        method=leads[0].method,
    )


def report(continuation: Continuation, actions: np.ndarray) -> dict[str, float]:
    """What is told beside the chunk `actions` [H, A]: its largest deviation from the remainder over the delay, robot's units."""
    frozen = slice(continuation.delay)
    off = np.abs(actions[frozen] - continuation.remainder[frozen])
    numbers = {"delay": int(continuation.delay), "horizon": int(continuation.horizon)}
    return {**numbers, "deviation": float(off.max(initial=0.0))}
