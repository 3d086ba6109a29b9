"""pi0 and pi0.5: vision-language-action models that generate action chunks by flow matching.

A prefix (image and prompt tokens, expert 0: the language model) is read by a suffix (state and noisy actions, expert 1:
the action expert), which predicts the velocity that carries noise (time 1) to actions (time 0). In pi0.5 the state is
part of the prompt and time conditions the action expert's norms. Sources: pi0 (Black et al. 2024), pi0.5 (Physical
Intelligence 2025). Parameters are a plain nested dict whose paths and shapes are those of the published checkpoints.

Axis letters: `H` is the action horizon here, `A` the action dim, `P` the prefix length, `S` the suffix length.
"""

import dataclasses
from typing import Any, TypeAlias

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from openpi.models import (
    attention_mask,
    fake_inputs,
    flow,
    gemma,
    image_tokens,
    microbatch,
    posemb,
    preprocess,
    real_time_chunking,
    remat,
    siglip,
)
from openpi.models import observation as observation_lib

Params: TypeAlias = dict[str, Any]

IMAGE_KEYS = ("base_0_rgb", "left_wrist_0_rgb", "right_wrist_0_rgb")  # the published models' cameras, in order


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pi0Config(fake_inputs.FakeInputs):
    """Sizes and settings of one model; hashable, so that it can be a static argument of jit."""

    siglip: siglip.SiglipConfig
    language: gemma.GemmaConfig  # expert 0
    expert: gemma.GemmaConfig  # expert 1, the action expert
    vocab_size: int
    action_dim: int = 32  # width of state and actions, after padding
    action_horizon: int = 50  # actions per chunk
    max_token_len: int  # prompt length, padded
    dtype: str = "bfloat16"  # compute dtype; parameters keep their own
    pi05: bool = False  # time through adaptive norms and no state token, instead of pi0
    image_keys: tuple[str, ...] = IMAGE_KEYS
    image_resolution: tuple[int, int] = (224, 224)
    augmentation: str = "published"  # of images when training: "none", "published" or "corrected", see preprocess
    remat: str = "full"  # what the backward pass computes again, see remat; "none" for small models

    def __post_init__(self):
        gemma.check_mixture((self.language, self.expert))
        if self.dtype not in ("bfloat16", "float32"):
            raise ValueError(f"pi0: dtype must be 'bfloat16' or 'float32', got {self.dtype!r}")
        if not self.image_keys:
            raise ValueError("pi0: image_keys must name at least one camera")
        preprocess.check_augmentation(self.augmentation)
        remat.check(self.remat)

    @property
    def model_type(self) -> str:
        """`pi0` or `pi05`."""
        return "pi05" if self.pi05 else "pi0"

    def inputs_spec(self, batch_size: int = 1) -> tuple[observation_lib.Observation, jax.ShapeDtypeStruct]:
        """Shapes and dtypes of a batch of observations and actions."""
        spec = jax.ShapeDtypeStruct
        observation = observation_lib.Observation(
            images={key: spec((batch_size, *self.image_resolution, 3), jnp.float32) for key in self.image_keys},
            image_masks={key: spec((batch_size,), jnp.bool_) for key in self.image_keys},
            state=spec((batch_size, self.action_dim), jnp.float32),
            tokenized_prompt=spec((batch_size, self.max_token_len), jnp.int32),
            tokenized_prompt_mask=spec((batch_size, self.max_token_len), jnp.bool_),
        )
        return observation, spec((batch_size, self.action_horizon, self.action_dim), jnp.float32)


@flax.struct.dataclass
class Tokens:
    """Embedded tokens, as one of the two experts reads them."""

    embedded: Float[Array, "B T D"]
    mask: Bool[Array, "B T"]  # False: padding
    ar_mask: Bool[Array, " T"]  # True: a new block begins, see attention_mask
    cond: Float[Array, "B D"] | None = None  # condition of the adaptive norms


@flax.struct.dataclass
class Prefix:
    """A prefix as the suffix needs it: keys and values, and which of them hold a token."""

    kv_cache: gemma.KVCache
    mask: Bool[Array, "B P"]


def init(config: Pi0Config, rng: Key[Array, ""]) -> Params:
    """Random float32 parameters. Use `jax.eval_shape(functools.partial(init, config), rng)` for shapes alone."""
    img_rng, llm_rng, heads_rng = jax.random.split(rng, 3)
    images = jnp.zeros((1, *config.image_resolution, 3))
    widths = (config.language.width, config.expert.width)
    conds = [None, jnp.zeros((1, config.expert.width)) if config.pi05 else None]
    llm = _gemma(config).init(
        llm_rng,
        tokens=jnp.zeros((1, 1), jnp.int32),
        embedded=[jnp.zeros((1, 1, width)) for width in widths],
        positions=jnp.zeros((1, 2), jnp.int32),
        mask=jnp.ones((1, 2, 2), bool),
        conds=conds,
        method="init_all",
    )
    heads = {}
    shapes = _head_shapes(config)
    for head_rng, (name, shape) in zip(jax.random.split(heads_rng, len(shapes)), shapes.items(), strict=True):
        heads[name] = {"kernel": nn.initializers.lecun_normal()(head_rng, shape), "bias": jnp.zeros(shape[1:])}
    return {"PaliGemma": {"img": _siglip(config).init(img_rng, images)["params"], "llm": llm["params"]}, **heads}


def compute_loss(
    config: Pi0Config,
    params: Params,
    rng: Key[Array, ""],
    observation: observation_lib.Observation,
    actions: Float[Array, "B H A"],
    *,
    train: bool = False,
    noise: Float[Array, "*draws B H A"] | None = None,
    time: Float[Array, "*draws B"] | None = None,
    num_draws: int = 1,
    part: microbatch.Microbatch = microbatch.WHOLE,
) -> Float[Array, "B H"]:
    """Flow-matching loss: mean squared error of the velocity at a random point between actions and noise.

    Args:
        config: the model.
        params: its parameters.
        rng: consumed: for augmentation, noise and time.
        observation: batch of observations.
        actions: the actions to learn, normalised and padded; padding counts in the loss.
        train: augment the images, if the config says so.
        noise: standard normal; drawn when None. With several draws, they come first: [num_draws, B, H, A].
        time: in (0, 1]; drawn from 0.001 + 0.999 * Beta(1.5, 1) when None. With several draws [num_draws, B].
        num_draws: draws of (noise, time) per observation. With more than one the prefix is encoded once for all, and
            the loss is the mean over draws: the same expectation with less variance, for little work.
        part: of which batch these are which part: each sample gets the augmentation, noise and time as in the whole.

    Raises:
        ValueError: when a camera is missing, or state or actions do not have the model's shape.
    """
    _check_inputs(config, observation, actions)
    preprocess_rng, noise_rng, time_rng = jax.random.split(rng, 3)
    observation = _preprocess(config, preprocess_rng, observation, config.augmentation if train else "none", part)
    draws, batch = () if num_draws == 1 else (num_draws,), part.total(actions.shape[0])
    if noise is None:
        noise = part.of(jax.random.normal(noise_rng, (*draws, batch, *actions.shape[1:])), axis=len(draws))
    if time is None:
        time = part.of(jax.random.beta(time_rng, 1.5, 1, (*draws, batch)) * 0.999 + 0.001, axis=len(draws))
    x_t, u_t = flow.interpolate(actions, noise, time)

    prefix_tokens = embed_prefix(config, params, observation)
    if num_draws == 1:
        suffix_tokens = embed_suffix(config, params, observation.state, x_t, time)
        v_t = joint_velocity(config, params, prefix_tokens, suffix_tokens)
        return jnp.mean(jnp.square(v_t - u_t), axis=-1)
    prefix = encode_prefix(config, params, prefix_tokens)
    v_t = jax.vmap(lambda x, t: predict_velocity(config, params, prefix, observation.state, x, t))(x_t, time)
    return jnp.mean(jnp.square(v_t - u_t), axis=(0, -1))


def sample_actions(
    config: Pi0Config,
    params: Params,
    rng: Key[Array, ""],
    observation: observation_lib.Observation,
    *,
    num_steps: int | Int[Array, ""] = 10,
    noise: Float[Array, "B H A"] | None = None,
    guidance: real_time_chunking.Guidance | None = None,
) -> Float[Array, "B H A"]:
    """Action chunks by Euler integration of the flow, float32.

    Args:
        config: the model.
        params: its parameters.
        rng: consumed, for the noise.
        observation: batch of observations.
        num_steps: integration steps; may be traced.
        noise: where to start; standard normal when None.
        guidance: what the chunks must go on from; None leaves them free.

    Raises:
        ValueError: when a camera is missing, the state does not have the model's width, or there is no step.
    """
    _check_inputs(config, observation)
    observation = _preprocess(config, None, observation)
    prefix = encode_prefix(config, params, embed_prefix(config, params, observation))
    if noise is None:
        noise = jax.random.normal(rng, (observation.state.shape[0], config.action_horizon, config.action_dim))

    def velocity(x_t, time):
        batch_time = jnp.broadcast_to(time, x_t.shape[:1])
        return predict_velocity(config, params, prefix, observation.state, x_t, batch_time)

    if guidance is not None:
        velocity = real_time_chunking.guided(velocity, guidance)
    return flow.integrate(velocity, noise, num_steps)


def embed_prefix(config: Pi0Config, params: Params, observation: observation_lib.Observation) -> Tokens:
    """Tokens of all cameras, in the order of `config.image_keys`, then of the prompt, if any; one block."""
    images = image_tokens.embed_images(_siglip(config), params["PaliGemma"]["img"], observation, config.image_keys)
    parts, masks = [images[0]], [images[1]]
    if observation.tokenized_prompt is not None:
        llm = {"params": params["PaliGemma"]["llm"]}
        parts.append(_gemma(config).apply(llm, observation.tokenized_prompt, method="embed"))
        masks.append(observation.tokenized_prompt_mask)
    embedded = jnp.concatenate(parts, axis=1)
    return Tokens(embedded, jnp.concatenate(masks, axis=1), jnp.zeros(embedded.shape[1], bool))


def embed_suffix(
    config: Pi0Config,
    params: Params,
    state: Float[Array, "B A"],
    noisy_actions: Float[Array, "B H A"],
    time: Float[Array, " B"],
) -> Tokens:
    """Tokens of the noisy actions, behind that of the state in pi0. The state, then all actions, form a block each."""
    action_tokens = _linear(params["action_in_proj"], noisy_actions)
    time_emb = posemb.posemb_sincos(time, config.expert.width, min_period=4e-3, max_period=4.0)
    if config.pi05:
        hidden = nn.silu(_linear(params["time_mlp_in"], time_emb))
        cond = nn.silu(_linear(params["time_mlp_out"], hidden))
        embedded, blocks = action_tokens, (0,)
    else:
        time_tokens = jnp.broadcast_to(time_emb[:, None, :], action_tokens.shape)
        hidden = _linear(params["action_time_mlp_in"], jnp.concatenate([action_tokens, time_tokens], axis=-1))
        action_tokens = _linear(params["action_time_mlp_out"], nn.silu(hidden))
        state_token = _linear(params["state_proj"], state)[:, None, :]
        embedded, blocks, cond = jnp.concatenate([state_token, action_tokens], axis=1), (0, 1), None
    ar_mask = jnp.zeros(embedded.shape[1], bool).at[jnp.array(blocks)].set(True)
    return Tokens(embedded, jnp.ones(embedded.shape[:2], bool), ar_mask, cond)


def encode_prefix(config: Pi0Config, params: Params, tokens: Tokens) -> Prefix:
    """Runs the language model over the prefix, for its keys and values."""
    mask = attention_mask.make_attn_mask(tokens.mask, tokens.ar_mask)
    positions = jnp.cumsum(tokens.mask, axis=1) - 1
    llm = {"params": params["PaliGemma"]["llm"]}
    _, kv_cache = _gemma(config).apply(llm, [tokens.embedded, None], positions, mask, unread=(0,))
    return Prefix(kv_cache, tokens.mask)


def predict_velocity(
    config: Pi0Config,
    params: Params,
    prefix: Prefix,
    state: Float[Array, "B A"],
    x_t: Float[Array, "B H A"],
    time: Float[Array, " B"],
) -> Float[Array, "B H A"]:
    """Velocity of the flow at noisy actions `x_t` and `time`, given an encoded prefix."""
    suffix = embed_suffix(config, params, state, x_t, time)
    batch, length = suffix.mask.shape
    sees_prefix = jnp.broadcast_to(prefix.mask[:, None, :], (batch, length, prefix.mask.shape[1]))
    sees_suffix = attention_mask.make_attn_mask(suffix.mask, suffix.ar_mask)
    (_, out), _ = _gemma(config).apply(
        {"params": params["PaliGemma"]["llm"]},
        [None, suffix.embedded],
        jnp.sum(prefix.mask, axis=1)[:, None] + jnp.cumsum(suffix.mask, axis=1) - 1,
        jnp.concatenate([sees_prefix, sees_suffix], axis=2),
        [None, suffix.cond],
        prefix.kv_cache,
    )
    return _velocity(config, params, out)


def joint_velocity(config: Pi0Config, params: Params, prefix: Tokens, suffix: Tokens) -> Float[Array, "B H A"]:
    """As `predict_velocity`, with prefix and suffix in one pass."""
    _, out = encode_jointly(config, params, prefix, suffix, unread=(0,))
    return _velocity(config, params, out)


def encode_jointly(
    config: Pi0Config, params: Params, prefix: Tokens, suffix: Tokens, *, unread: tuple[int, ...] = ()
) -> tuple[Float[Array, "B P D"] | None, Float[Array, "B S D"] | None]:
    """Runs both experts over prefix and suffix together: what they make of their tokens, behind the final norms.

    The output of an expert in `unread` is None, and not computed.
    """
    input_mask = jnp.concatenate([prefix.mask, suffix.mask], axis=1)
    ar_mask = jnp.concatenate([prefix.ar_mask, suffix.ar_mask])
    outputs, _ = _gemma(config).apply(
        {"params": params["PaliGemma"]["llm"]},
        [prefix.embedded, suffix.embedded],
        jnp.cumsum(input_mask, axis=1) - 1,
        attention_mask.make_attn_mask(input_mask, ar_mask),
        [None, suffix.cond],
        unread=unread,
    )
    return tuple(outputs)


def _velocity(config: Pi0Config, params: Params, suffix_out: Float[Array, "B S D"]) -> Float[Array, "B H A"]:
    return _linear(params["action_out_proj"], suffix_out[:, -config.action_horizon :])


def _preprocess(config, rng, observation, augmentation="none", part=microbatch.WHOLE):
    form = {"image_keys": config.image_keys, "image_resolution": config.image_resolution}
    return preprocess.preprocess(rng, observation, **form, augmentation=augmentation, part=part)


def _check_inputs(config, observation, actions=None):
    width = observation.state.shape[-1]
    if width != config.action_dim:
        raise ValueError(f"pi0: state has width {width}, the model's action_dim is {config.action_dim}; pad it")
    if actions is not None and actions.shape[1:] != (config.action_horizon, config.action_dim):
        expected = f"[B, {config.action_horizon}, {config.action_dim}] (action_horizon, action_dim)"
        raise ValueError(f"pi0: actions have shape {list(actions.shape)}, the model expects {expected}")


def _siglip(config: Pi0Config) -> siglip.Siglip:
    return siglip.Siglip(config.siglip, config.language.width, jnp.dtype(config.dtype), config.remat)


def _gemma(config: Pi0Config) -> gemma.Gemma:
    experts = (config.language, config.expert)
    return gemma.Gemma(experts, config.vocab_size, jnp.dtype(config.dtype), config.remat)


def _head_shapes(config: Pi0Config) -> dict[str, tuple[int, int]]:
    """Input and output width of the linear layers around the action expert."""
    width, dim = config.expert.width, config.action_dim
    shapes = {"action_in_proj": (dim, width), "action_out_proj": (width, dim)}
    if config.pi05:
        return shapes | {"time_mlp_in": (width, width), "time_mlp_out": (width, width)}
    return shapes | {
        "state_proj": (dim, width),
        "action_time_mlp_in": (2 * width, width),
        "action_time_mlp_out": (width, width),
    }


def _linear(params: Params, x: jax.Array) -> jax.Array:
    """Linear layer in the promoted dtype of input and parameters."""
    return x @ params["kernel"] + params["bias"]
