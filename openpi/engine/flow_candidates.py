"""Several chunks for one observation, and how sure the flow was of each."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from openpi.engine import flow_plan, flow_sampler, flow_schedule
from openpi.models import pi0


def integrate(
    config: pi0.Pi0Config,
    plan: flow_plan.Plan,
    schedule: flow_schedule.Schedule,
    seen: flow_sampler.Surroundings,
    noise: Float[Array, "N H A"],
) -> tuple[Float[Array, "N H A"], Float[Array, " N"]]:
    """As `flow_sampler.integrate`, from N noises before one observation's surroundings (of one row).

    Returns:
      The chunks, and the uncertainty of each: every step promises a chunk, `x_t - t v`; this is by how much (root mean square, in
      the model's units) the promise changes from a step to the next, on average. 0: the flow went straight there.
    """
    dt = -1.0 / schedule.num_steps
    seen = jax.tree.map(lambda leaf: jnp.repeat(leaf, len(noise), axis=0), seen)

    def step(i, carry):
        x_t, seen, promised, changed = carry
        moment = jax.tree.map(lambda leaf: leaf[i], schedule.moments)
        velocity, seen = flow_sampler.velocity(config, plan, seen, moment, x_t)
        promise = x_t - (1.0 + i * dt) * velocity
        change = jnp.sqrt(jnp.mean(jnp.square(promise - promised), axis=(1, 2)))
        return x_t + dt * velocity, seen, promise, changed + jnp.where(i > 0, change, 0.0)

    nothing = jnp.zeros(len(noise), jnp.float32)
    x_0, _, _, changed = jax.lax.fori_loop(0, schedule.num_steps, step, (noise, seen, noise, nothing))
    return x_0, changed / jnp.maximum(schedule.num_steps - 1, 1)
