"""One interface to every model: the functions that belong to a configuration, by its type.

A flow model (pi0, pi0.5) samples actions; an autoregressive one (pi0-FAST) samples tokens, which its tokenizer turns into
actions outside of the network.
"""

from typing import Any, TypeAlias

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int, Key

from openpi.models import microbatch, pi0, pi0_fast, real_time_chunking
from openpi.models import observation as observation_lib

Config: TypeAlias = pi0.Pi0Config | pi0_fast.Pi0FastConfig
Params: TypeAlias = dict[str, Any]


@flax.struct.dataclass
class FlowSampling:
    """How a flow model samples; all of it may be traced, so that no value compiles anew."""

    num_steps: Int[ArrayLike, ""]  # denoising steps
    noise: Float[Array | np.ndarray, "B H A"]  # where to start, if `noise_given`
    noise_given: Bool[ArrayLike, ""]  # False: draw the noise
    guidance: real_time_chunking.Guidance | None = None  # what the chunks must go on from


@flax.struct.dataclass
class TokenSampling:
    """How an autoregressive model samples; the temperature may be traced."""

    temperature: Float[ArrayLike, ""]  # 0: the likeliest token
    max_decoding_steps: int = flax.struct.field(pytree_node=False)  # tokens at the most


def is_autoregressive(config: Config) -> bool:
    """Whether the model samples tokens in place of actions."""
    return isinstance(config, pi0_fast.Pi0FastConfig)


def init(config: Config, rng: Key[Array, ""]) -> Params:
    """Random float32 parameters. Under `jax.eval_shape`, the parameter tree's shapes alone."""
    return pi0_fast.init(config, rng) if isinstance(config, pi0_fast.Pi0FastConfig) else pi0.init(config, rng)


def compute_loss(
    config: Config,
    params: Params,
    rng: Key[Array, ""],
    observation: observation_lib.Observation,
    actions: Float[Array, "B H A"],
    *,
    train: bool = False,
    num_draws: int = 1,
    part: microbatch.Microbatch = microbatch.WHOLE,
) -> Float[Array, "B *H"]:
    """The loss of each sample (pi0-FAST) or of each of its steps (pi0, pi0.5); only the mean counts.

    Args:
        config: the model.
        params: its parameters.
        rng: consumed.
        observation: batch of observations.
        actions: the actions to learn; pi0-FAST finds them in the observation's tokens.
        train: augment the images, if the config says so.
        num_draws: draws of noise and time per observation, for flow models.
        part: of which batch these are which part; each sample's loss is the same as in the whole.
    """
    if isinstance(config, pi0_fast.Pi0FastConfig):
        return pi0_fast.compute_loss(config, params, rng, observation, actions, train=train, part=part)
    return pi0.compute_loss(config, params, rng, observation, actions, train=train, num_draws=num_draws, part=part)


def sample(
    config: Config,
    params: Params,
    rng: Key[Array, ""],
    observation: observation_lib.Observation,
    sampling: FlowSampling | TokenSampling,
) -> Float[Array, "B H A"] | Int[Array, "B T"]:
    """Actions of a flow model, or tokens of an autoregressive one.

    Raises:
        TypeError: the sampling is not of the model's kind.
    """
    if isinstance(config, pi0_fast.Pi0FastConfig) and isinstance(sampling, TokenSampling):
        return pi0_fast.sample_actions(
            config,
            params,
            rng,
            observation,
            max_decoding_steps=sampling.max_decoding_steps,
            temperature=sampling.temperature,
        )
    if isinstance(config, pi0.Pi0Config) and isinstance(sampling, FlowSampling):
        drawn = jax.random.normal(rng, sampling.noise.shape)
        noise = jnp.where(sampling.noise_given, sampling.noise, drawn)
        how = {"num_steps": sampling.num_steps, "noise": noise, "guidance": sampling.guidance}
        return pi0.sample_actions(config, params, rng, observation, **how)
    raise TypeError(f"a model of type {config.model_type} cannot sample by {type(sampling).__name__}")
