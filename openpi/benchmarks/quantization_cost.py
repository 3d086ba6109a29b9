"""What weights of 8 bits cost and save: how far actions move, bytes on the device, time."""

import functools
import time
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from openpi.benchmarks import record
from openpi.client import base_policy
from openpi.engine import fast_plan, flow_plan, quantization
from openpi.models import model as model_lib
from openpi.models import pi0_fast


def plan_bytes(config: model_lib.Config, mode: str) -> int:
    """Of a model's weights as the engine keeps them, from parameters in the dtype it computes in; by shapes alone."""
    shapes = jax.eval_shape(functools.partial(model_lib.init, config), jax.random.key(0))
    stored = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, config.dtype), shapes)

    def prepare(params: dict[str, Any]) -> flow_plan.Plan | fast_plan.Plan:
        if isinstance(config, pi0_fast.Pi0FastConfig):
            return quantization.quantize(fast_plan.prepare(config, params), mode)
        return quantization.quantize(flow_plan.prepare(config, params), mode)

    plan = jax.eval_shape(prepare, stored)
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(plan))


def answer(
    policies: Mapping[str, base_policy.BasePolicy], observations: Sequence[dict[str, Any]], noise: np.ndarray
) -> tuple[dict[str, np.ndarray], dict[str, dict[str, float]]]:
    """Lets every policy answer every observation, in turn, each with its noise.

    Returns:
      By policy, actions [observations, H, A], and the spread of the seconds that an answer took; the first observation is answered
      once before, to compile.
    """
    actions: dict[str, list[np.ndarray]] = {name: [] for name in policies}
    seconds: dict[str, list[float]] = {name: [] for name in policies}
    for place in [None, *range(len(observations))]:
        asked = {**observations[place or 0], "openpi": {"noise": noise[place or 0]}}
        for name, policy in policies.items():
            began = time.perf_counter()
            result = policy.infer(asked)["actions"]
            if place is not None:
                seconds[name].append(time.perf_counter() - began)
                actions[name].append(result)
    return (
        {name: np.stack(made) for name, made in actions.items()},
        {name: record.spread(taken) for name, taken in seconds.items()},
    )


def error(
    got: Float[np.ndarray, "N H A"], expected: Float[np.ndarray, "N H A"], state: Float[np.ndarray, "N A"]
) -> dict[str, float]:
    """How far actions are off, as parts of how far the expected ones lead away from the state (root mean square)."""
    if state.shape != (len(expected), expected.shape[2]):
        raise ValueError(
            f"state {state.shape} must have the joints of actions {expected.shape}: this is for joint positions"
        )
    scale = np.sqrt(np.mean(np.square(expected - state[:, None])))
    off = np.abs(got - expected)
    return {
        "rms": float(np.sqrt(np.mean(np.square(off))) / scale),
        "mean": float(off.mean() / scale),
        "max": float(off.max() / scale),
        "max_in_units": float(off.max()),
    }
