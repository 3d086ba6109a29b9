"""Sampling of pi0 and pi0.5: what `pi0.sample_actions` computes, with all that is known beforehand done once.

Axis letters: `B` rows, `H` action horizon, `A` action dim, `P` prefix tokens.
"""

import dataclasses

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from openpi.engine import expert, flow_plan, flow_schedule, image_tower, vocabulary
from openpi.models import observation as observation_lib
from openpi.models import pi0


@flax.struct.dataclass
class Prefix:
    """Images and prompt, as later tokens see them."""

    keys_values: tuple[expert.KeysValues, ...]  # layer by layer; those of no token hidden
    mask: Bool[Array, "B P"]  # which are a token


@flax.struct.dataclass
class Surroundings:
    """What all steps of a chunk see."""

    # Of images, prompt and pi0's state, those of no token hidden; behind them, room for the actions' own.
    keys_values: tuple[expert.KeysValues, ...]
    seen: Float[Array, "B S"]  # 1 for a token, 0 for none
    rotation: tuple[jax.Array, jax.Array]  # of the actions


def sample_actions(
    config: pi0.Pi0Config,
    plan: flow_plan.Plan,
    schedule: flow_schedule.Schedule,
    observation: observation_lib.Observation,
    noise: Float[Array, "B H A"],
) -> Float[Array, "B H A"]:
    """Action chunks by Euler integration of the flow, float32.

    Only the observation's own cameras, of those that the model knows, are encoded: one that is absent altogether is better left
    out than masked. Its images have the model's resolution, its prompt may be cut behind its last token.
    """
    return integrate(config, plan, schedule, surroundings(config, plan, observation), noise)


def surroundings(config: pi0.Pi0Config, plan: flow_plan.Plan, observation: observation_lib.Observation) -> Surroundings:
    """All of an observation that the steps need; images and prompt are seen here, and not again."""
    return around(config, plan, encode_prefix(config, plan, observation), observation.state)


def around(config: pi0.Pi0Config, plan: flow_plan.Plan, prefix: Prefix, state: Float[Array, "B A"]) -> Surroundings:
    """What is around the steps: images and prompt, which may have been seen before with another state, and the state.

    The state of pi0.5 is in its prompt. That of pi0 is a token which sees no action: it is the same in all steps.
    """
    keys_values, seen = prefix.keys_values, prefix.mask.astype(jnp.float32)
    position = jnp.sum(prefix.mask, axis=1)[:, None]
    room = config.action_horizon if config.pi05 else 1 + config.action_horizon
    keys_values = jax.tree.map(lambda leaf: jnp.pad(leaf, ((0, 0), (0, 0), (0, room), (0, 0))), keys_values)
    if not config.pi05:
        keys_values = _see_state(config, plan, keys_values, seen, position, state)
        position = position + 1
    seen = jnp.pad(seen, ((0, 0), (0, room)), constant_values=1)
    rotation = expert.rotation(config.expert, position + jnp.arange(config.action_horizon))
    return Surroundings(keys_values, seen, rotation)


def integrate(
    config: pi0.Pi0Config,
    plan: flow_plan.Plan,
    schedule: flow_schedule.Schedule,
    seen: Surroundings,
    noise: Float[Array, "B H A"],
) -> Float[Array, "B H A"]:
    """Action chunks from noise, in the schedule's number of steps."""
    dt = -1.0 / schedule.num_steps

    def step(i, carry):
        x_t, seen = carry
        moment = jax.tree.map(lambda leaf: leaf[i], schedule.moments)
        v_t, seen = velocity(config, plan, seen, moment, x_t)
        return x_t + dt * v_t, seen

    x_0, _ = jax.lax.fori_loop(0, schedule.num_steps, step, (noise, seen))
    return x_0


def encode_prefix(config: pi0.Pi0Config, plan: flow_plan.Plan, observation: observation_lib.Observation) -> Prefix:
    """Sees images and prompt."""
    x, mask = _embed_prefix(config, plan, observation)
    rotation = expert.rotation(config.language, jnp.cumsum(mask, axis=1) - 1)
    seen, made = mask.astype(jnp.float32), []
    for layer in plan.language[:-1]:
        queries, own = expert.project(config.language, layer, expert.normed(x), rotation)
        own = expert.hide(own, mask)
        x = x + layer.out(expert.attend(queries, [expert.Sight(own, seen=seen)]))
        x = x + expert.feed_forward(layer, expert.normed(x))
        made.append(own)
    own = expert.keys_values(config.language, plan.language[-1], expert.normed(x), rotation)
    made.append(expert.hide(own, mask))
    return Prefix(tuple(made), mask)


def velocity(
    config: pi0.Pi0Config,
    plan: flow_plan.Plan,
    seen: Surroundings,
    moment: flow_schedule.Moment,
    x_t: Float[Array, "B H A"],
) -> tuple[Float[Array, "B H A"], Surroundings]:
    """Velocity of the flow at the noisy actions `x_t`, and the surroundings for the next: with the actions' keys in their room.

    A loop that carries them writes in place.
    """
    x = plan.heads["actions"](x_t)
    if not config.pi05:
        x = plan.heads["action_time"](jax.nn.silu(x + moment.inputs))
    x = x.astype(jnp.dtype(config.dtype))
    room, made = seen.seen.shape[1] - x.shape[1], []
    for i, layer in enumerate(plan.expert):
        attention, feed_forward = _of_layer(moment.attention, i), _of_layer(moment.feed_forward, i)
        queries, own = expert.project(config.expert, layer, expert.normed(x, attention), seen.rotation)
        made.append(_write(seen.keys_values[i], own, room))
        attended = expert.attend(queries, [expert.Sight(made[-1], seen=seen.seen)])
        x = x + _gated(layer.out(attended), attention)
        x = x + _gated(expert.feed_forward(layer, expert.normed(x, feed_forward)), feed_forward)
    return plan.heads["velocity"](expert.normed(x, moment.final)), dataclasses.replace(seen, keys_values=tuple(made))


def _write(places: expert.KeysValues, own: expert.KeysValues, at: int) -> expert.KeysValues:
    keys, values = (jax.lax.dynamic_update_slice_in_dim(*each, at, 2) for each in zip(places, own, strict=True))
    return keys, values


def _of_layer(modulation: expert.Modulation | None, i: int) -> expert.Modulation | None:
    return jax.tree.map(lambda leaf: leaf[i], modulation)


def _gated(update: jax.Array, modulation: expert.Modulation | None) -> jax.Array:
    return update if modulation is None else update * modulation.gate


def _see_state(
    config: pi0.Pi0Config,
    plan: flow_plan.Plan,
    keys_values: tuple[expert.KeysValues, ...],
    seen: Float[Array, "B P"],
    position: Int[Array, "B 1"],
    state: Float[Array, "B A"],
) -> tuple[expert.KeysValues, ...]:
    """The prefix's keys and values with those of the state behind them, in the room that is there."""
    place, seen = seen.shape[1], jnp.pad(seen, ((0, 0), (0, 1)), constant_values=1)
    x = plan.heads["state"](state)[:, None, :].astype(jnp.dtype(config.dtype))
    rotation, made = expert.rotation(config.expert, position), []
    for layer, places in zip(plan.expert, keys_values, strict=True):
        queries, own = expert.project(config.expert, layer, expert.normed(x), rotation)
        made.append(_write(places, own, place))
        sight = expert.Sight(jax.tree.map(lambda leaf: leaf[:, :, : place + 1], made[-1]), seen=seen)
        x = x + layer.out(expert.attend(queries, [sight]))
        x = x + expert.feed_forward(layer, expert.normed(x))
    return tuple(made)


def _embed_prefix(config: pi0.Pi0Config, plan: flow_plan.Plan, observation: observation_lib.Observation):
    keys = [key for key in config.image_keys if key in observation.images]
    images = jnp.stack([observation.images[key] for key in keys], axis=1)
    tokens = image_tower.embed(plan.tower, images.reshape(-1, *images.shape[2:]))
    patches, width = tokens.shape[1:]
    shown = jnp.stack([observation.image_masks[key] for key in keys], axis=1)
    parts, masks = [tokens.reshape(len(images), -1, width)], [jnp.repeat(shown, patches, axis=1)]
    if observation.tokenized_prompt is not None:
        parts.append(vocabulary.embed(plan.embedding, observation.tokenized_prompt, tokens.dtype))
        masks.append(observation.tokenized_prompt_mask)
    return jnp.concatenate(parts, axis=1), jnp.concatenate(masks, axis=1)
