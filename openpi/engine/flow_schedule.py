"""What time brings into each step of the flow, computed once for a number of steps.

Axis letters: `W` is the width of the action expert.
"""

import functools

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from openpi.engine import expert, flow_plan, linear
from openpi.models import pi0, posemb

MAX_NUM_STEPS = 100


@flax.struct.dataclass
class Moment:
    """What time brings into a step, or into each of several ([steps, ...])."""

    inputs: Float[Array, "*steps W"] | None  # pi0: what it adds to the action tokens
    attention: expert.Modulation | None  # pi0.5: [*steps, depth, W]
    feed_forward: expert.Modulation | None
    final: expert.Modulation | None  # [*steps, W]


@flax.struct.dataclass
class Schedule:
    """What depends on the number of steps alone."""

    num_steps: Int[Array, ""]
    moments: Moment  # of MAX_NUM_STEPS steps, whatever their number, so that one program serves all


def make(config: pi0.Pi0Config, plan: flow_plan.Plan, num_steps: int) -> Schedule:
    """Everything that time brings into the steps, for this number of them; one program for all numbers."""
    return _make(config, plan, np.int32(num_steps), _times(num_steps))


@functools.partial(jax.jit, static_argnums=0)
def _make(
    config: pi0.Pi0Config, plan: flow_plan.Plan, num_steps: Int[Array, ""], times: Float[Array, " steps"]
) -> Schedule:
    time_emb = posemb.posemb_sincos(times, config.expert.width, min_period=4e-3, max_period=4.0)
    if not config.pi05:
        return Schedule(num_steps, Moment(plan.heads["time"](time_emb), None, None, None))
    cond = jax.nn.silu(plan.heads["time_mlp_out"](jax.nn.silu(plan.heads["time_mlp_in"](time_emb))))
    cond = cond.astype(jnp.dtype(config.dtype))
    modulations = [
        _modulation(layer, cond) for layer in (plan.norms.attention, plan.norms.feed_forward, plan.norms.final)
    ]
    return Schedule(num_steps, Moment(None, *modulations))


def _times(num_steps: int) -> np.ndarray:
    """Float32 [MAX_NUM_STEPS]: the flow's time at each step, added up as the plain sampler does; then zeros."""
    times, time, dt = np.zeros(MAX_NUM_STEPS, np.float32), np.float32(1), np.float32(-1.0) / np.float32(num_steps)
    for i in range(num_steps):
        times[i] = time
        time = time + dt
    return times


def _modulation(layer: linear.Linear, cond: Float[Array, "steps W"]) -> expert.Modulation:
    """Of all steps and layers."""
    kernel, bias = layer.kernel, layer.bias
    made = cond @ kernel + bias if kernel.ndim == 2 else jnp.einsum("sc,lcd->sld", cond, kernel) + bias
    return expert.Modulation(*jnp.split(made, 3, axis=-1))
