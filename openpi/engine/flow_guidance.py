"""Guided sampling of pi0 and pi0.5 from prepared weights: chunks that go on where the running ones stand."""

import jax
from jaxtyping import Array, Float

from openpi.engine import flow_plan, flow_sampler, flow_schedule
from openpi.models import pi0, real_time_chunking


def integrate(
    config: pi0.Pi0Config,
    plan: flow_plan.Plan,
    schedule: flow_schedule.Schedule,
    seen: flow_sampler.Surroundings,
    noise: Float[Array, "B H A"],
    guidance: real_time_chunking.Guidance,
) -> Float[Array, "B H A"]:
    """As `flow_sampler.integrate`, led by `guidance`: what `pi0.sample_actions` with it computes."""
    dt = -1.0 / schedule.num_steps

    def step(i, carry):
        x_t, time = carry
        moment = jax.tree.map(lambda leaf: leaf[i], schedule.moments)
        velocity = real_time_chunking.guided(
            lambda x, _: flow_sampler.velocity(config, plan, seen, moment, x)[0], guidance
        )
        return x_t + dt * velocity(x_t, time), time + dt

    x_0, _ = jax.lax.fori_loop(0, schedule.num_steps, step, (noise, jax.numpy.float32(1)))
    return x_0
