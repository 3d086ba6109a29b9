"""How much arithmetic a training step needs, and how fast a device could do it at best: model FLOP utilisation."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax.extend import core

from openpi.models import model as model_lib
from openpi.trainer import state as state_lib

# Dense bfloat16 operations per second, by words of the device's name; the first that fits.
_PEAKS = (
    (("H200",), 989e12),
    (("H100", "PCIe"), 756e12),
    (("H100", "NVL"), 835e12),
    (("H100",), 989e12),
    (("A100",), 312e12),
    (("L40S",), 362e12),
    (("L4 ",), 121e12),
    (("RTX 4090",), 165e12),
)


def peak(device_kind: str) -> float | None:
    """Dense bfloat16 operations per second of a device (`jax.Device.device_kind`), None where it is not known."""
    for words, operations in _PEAKS:
        if all(word in f"{device_kind} " for word in words):
            return operations
    return None


def seconds_at_peak(operations: Callable[[], int], devices: Sequence[jax.Device]) -> float | None:
    """How long the devices would need for so many operations, None where their peak is not known.

    Args:
      operations: asked only where the answer matters.
      devices: all alike.
    """
    rate = peak(devices[0].device_kind)
    return None if rate is None else operations() / (rate * len(devices))


def of_step(config: model_lib.Config, *, batch_size: int, frozen: str = "", num_draws: int = 1) -> int:
    """Operations of the matrix products that one step needs: forward, and backward for what is trained.

    Nothing is counted twice that a setting computes again (but the logits of pi0-FAST, which always are).
    """
    config = dataclasses.replace(config, remat="none")
    params = jax.eval_shape(lambda rng: model_lib.init(config, rng), jax.random.key(0))
    trained, fixed = state_lib.split(params, frozen)

    def loss(trained, fixed, observation, actions):
        params = state_lib.join(trained, fixed)
        rng = jax.random.key(0)
        return model_lib.compute_loss(config, params, rng, observation, actions, num_draws=num_draws).mean()

    return of_program(jax.value_and_grad(loss), trained, fixed, *config.inputs_spec(batch_size))


def of_program(function: Callable[..., Any], *args: Any) -> int:
    """Operations (a multiplication and an addition count as two) of all matrix products of a function, by its trace.

    Args:
      function: traceable by jax.
      *args: arrays or `jax.ShapeDtypeStruct`s.

    A branch counts as its dearest side, and a loop of unknown length as one round.
    """
    return _count(jax.make_jaxpr(function)(*args).jaxpr)


def _count(jaxpr: core.Jaxpr) -> int:
    total = 0
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            left, out = _shape(equation.invars[0]), _shape(equation.outvars[0])
            total += 2 * math.prod(out) * math.prod(left[axis] for axis in contracted)
            continue
        inner = [_count(part) for value in equation.params.values() for part in _jaxprs(value)]
        if inner:
            choice = max(inner) if equation.primitive.name == "cond" else sum(inner)
            total += choice * equation.params.get("length", 1)
    return total


def _shape(variable: Any) -> tuple[int, ...]:
    return variable.aval.shape


def _jaxprs(value: Any) -> list[core.Jaxpr]:
    if isinstance(value, core.ClosedJaxpr):
        return [value.jaxpr]
    if isinstance(value, core.Jaxpr):
        return [value]
    return [jaxpr for entry in value for jaxpr in _jaxprs(entry)] if isinstance(value, tuple | list) else []
