"""pi0-FAST: a vision-language-action model that writes actions as text tokens.

Image tokens and the prompt are one block of full attention; the action tokens behind them are causal. The tokens stand
for whole action chunks (FAST, Pertsch et al. 2025) and are turned into actions by the tokenizer, outside the model.
Parameters are a plain nested dict whose paths and shapes are those of the published checkpoints.

Axis letters: `L` is the padded text length, `T` that of images and text.
"""

import dataclasses
from typing import Any, TypeAlias

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from openpi.models import (
    attention_mask,
    cross_entropy,
    fake_inputs,
    gemma,
    gemma_fast,
    image_tokens,
    microbatch,
    preprocess,
    remat,
    right_align,
    siglip,
    token_decoding,
)
from openpi.models import observation as observation_lib

Params: TypeAlias = dict[str, Any]

IMAGE_KEYS = ("base_0_rgb", "base_1_rgb", "wrist_0_rgb")  # the published models' cameras
EOS = 1  # the token that ends a row


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pi0FastConfig(fake_inputs.FakeInputs):
    """Sizes and settings of one model; hashable, so that it can be a static argument of jit."""

    siglip: siglip.SiglipConfig
    language: gemma.GemmaConfig
    vocab_size: int
    action_dim: int = 32  # width of state and actions in `inputs_spec`; the parameters do not depend on it
    action_horizon: int = 32  # actions per chunk, likewise
    max_token_len: int = 250  # text length, padded: prompt and, in training, actions
    dtype: str = "bfloat16"  # compute dtype; parameters keep their own
    image_keys: tuple[str, ...] = IMAGE_KEYS  # read in alphabetical order, as the published model does
    image_resolution: tuple[int, int] = (224, 224)
    augmentation: str = "published"  # of images when training, see preprocess
    remat: str = "full"  # what the backward pass computes again, see remat; "none" for small models

    def __post_init__(self):
        preprocess.check_augmentation(self.augmentation)
        remat.check(self.remat)
        if self.dtype not in ("bfloat16", "float32"):
            raise ValueError(f"pi0_fast: dtype must be 'bfloat16' or 'float32', got {self.dtype!r}")
        if not self.image_keys:
            raise ValueError("pi0_fast: image_keys must name at least one camera")
        if self.max_token_len < 2:
            raise ValueError(f"pi0_fast: max_token_len must be at least 2, got {self.max_token_len}")

    @property
    def model_type(self) -> str:
        """`pi0_fast`."""
        return "pi0_fast"

    def inputs_spec(self, batch_size: int = 1) -> tuple[observation_lib.Observation, jax.ShapeDtypeStruct]:
        """Shapes and dtypes of a batch of observations and actions."""
        spec = jax.ShapeDtypeStruct
        text = (batch_size, self.max_token_len)
        observation = observation_lib.Observation(
            images={key: spec((batch_size, *self.image_resolution, 3), jnp.float32) for key in self.image_keys},
            image_masks={key: spec((batch_size,), jnp.bool_) for key in self.image_keys},
            state=spec((batch_size, self.action_dim), jnp.float32),
            tokenized_prompt=spec(text, jnp.int32),
            tokenized_prompt_mask=spec(text, jnp.bool_),
            token_ar_mask=spec(text, jnp.int32),
            token_loss_mask=spec(text, jnp.bool_),
        )
        return observation, spec((batch_size, self.action_horizon, self.action_dim), jnp.float32)


@flax.struct.dataclass
class Inputs:
    """Embedded images and text."""

    embedded: Float[Array, "B T D"]
    mask: Bool[Array, "B T"]  # False: padding
    ar_mask: Int[Array, "B T"]  # 1: a new block begins, see attention_mask


@flax.struct.dataclass
class Decoding:
    """What has been read and written so far."""

    cache: gemma_fast.Cache
    start: Int[Array, " B"]  # cache slot from which each row is read


def init(config: Pi0FastConfig, rng: Key[Array, ""]) -> Params:
    """Random float32 parameters. Use `jax.eval_shape(functools.partial(init, config), rng)` for shapes alone."""
    img_rng, llm_rng = jax.random.split(rng)
    images = jnp.zeros((1, *config.image_resolution, 3))
    llm = _gemma(config).init(
        llm_rng,
        tokens=jnp.zeros((1, 1), jnp.int32),
        embedded=[jnp.zeros((1, 1, config.language.width))],
        positions=jnp.zeros((1, 1), jnp.int32),
        mask=jnp.ones((1, 1, 1), bool),
        conds=None,
        method="init_all",
    )
    return {"PaliGemma": {"img": _siglip(config).init(img_rng, images)["params"], "llm": llm["params"]}}


def compute_loss(
    config: Pi0FastConfig,
    params: Params,
    rng: Key[Array, ""],
    observation: observation_lib.Observation,
    actions: Float[Array, "B H A"],
    *,
    train: bool = False,
    part: microbatch.Microbatch = microbatch.WHOLE,
) -> Float[Array, " B"]:
    """Mean cross-entropy of the tokens that `token_loss_mask` marks, each predicted from those before it.

    Args:
        config: the model.
        params: its parameters.
        rng: consumed, for augmentation.
        observation: batch of observations, whose text holds prompt and actions.
        actions: not used; the actions to learn are part of the text.
        train: augment the images, as the config says.
        part: of which batch these are which part: each sample gets the augmentation as in the whole.

    Raises:
        ValueError: when a camera, the text or one of its masks is missing or does not have the model's length.
    """
    del actions
    _check_text(config, observation, "token_ar_mask", "token_loss_mask")
    observation = _preprocess(config, rng, observation, config.augmentation if train else "none", part)
    encoded = encode(config, params, embed_inputs(config, params, observation))
    tokens, counts = observation.tokenized_prompt[:, 1:], observation.token_loss_mask[:, 1:]
    table = params["PaliGemma"]["llm"]["embedder"]["input_embedding"]
    log_probs = cross_entropy.token_log_probs(encoded[:, -tokens.shape[1] :], table, tokens)
    return -jnp.sum(log_probs * counts, axis=-1) / jnp.maximum(jnp.sum(counts, axis=-1), 1)


def sample_actions(
    config: Pi0FastConfig,
    params: Params,
    rng: Key[Array, ""],
    observation: observation_lib.Observation,
    *,
    max_decoding_steps: int = 256,
    temperature: float | Float[Array, ""] = 0.0,
) -> Int[Array, "B max_decoding_steps"]:
    """Tokens that stand for actions: each row up to and including its end of sequence (id 1), then zeros; int32.

    Args:
        config: the model.
        params: its parameters.
        rng: consumed, one split a token.
        observation: batch of observations, whose text is the prompt.
        max_decoding_steps: most tokens per row; static.
        temperature: the likeliest token when not above zero, else drawn at this temperature; may be traced.

    Raises:
        ValueError: when a camera, the text or one of its masks is missing or does not have the model's length.
    """
    if max_decoding_steps < 1:
        raise ValueError(f"pi0_fast: max_decoding_steps must be at least 1, got {max_decoding_steps}")
    _check_text(config, observation, "token_ar_mask")
    observation = _preprocess(config, None, observation)
    logits, decoding = prefill(config, params, embed_inputs(config, params, observation), max_decoding_steps)
    tokens, _ = token_decoding.decode(
        lambda tokens, decoding: decode_step(config, params, tokens, decoding),
        rng,
        logits,
        decoding,
        max_steps=max_decoding_steps,
        temperature=temperature,
        eos=EOS,
    )
    return tokens


def embed_inputs(config: Pi0FastConfig, params: Params, observation: observation_lib.Observation) -> Inputs:
    """Tokens of all cameras in alphabetical order, then of the text."""
    keys = sorted(config.image_keys)
    images, image_mask = image_tokens.embed_images(_siglip(config), params["PaliGemma"]["img"], observation, keys)
    llm = {"params": params["PaliGemma"]["llm"]}
    text: jax.Array = _gemma(config).apply(llm, observation.tokenized_prompt, method="embed")
    embedded = jnp.concatenate([images, text], axis=1)
    mask = jnp.concatenate([image_mask, observation.tokenized_prompt_mask], axis=1)
    ar_mask = jnp.pad(observation.token_ar_mask, ((0, 0), (images.shape[1], 0)))
    return Inputs(embedded, mask, ar_mask)


def encode(config: Pi0FastConfig, params: Params, inputs: Inputs) -> Float[Array, "B T-1 D"]:
    """Runs the language model over all tokens but the last. Positions count padding too."""
    batch, length = inputs.mask.shape
    mask = attention_mask.make_attn_mask(inputs.mask, inputs.ar_mask)[:, :-1, :-1]
    positions = jnp.broadcast_to(jnp.arange(length - 1), (batch, length - 1))
    return gemma_fast.encode(_gemma(config), params["PaliGemma"]["llm"], inputs.embedded[:, :-1], positions, mask)


def prefill(
    config: Pi0FastConfig, params: Params, inputs: Inputs, max_decoding_steps: int
) -> tuple[Float[Array, "B V"], Decoding]:
    """Reads images and prompt: logits of the first new token, and the state for `max_decoding_steps` of them."""
    llm = params["PaliGemma"]["llm"]
    attn_mask = attention_mask.make_attn_mask(inputs.mask, inputs.ar_mask)
    embedded, mask, attn_mask = right_align.right_align(inputs.embedded, inputs.mask, attn_mask)
    positions = jnp.cumsum(mask, axis=1) - 1
    out, cache = gemma_fast.prefill(_gemma(config), llm, embedded, positions, attn_mask, max_decoding_steps)
    # Padding within a row (a camera left out) makes the row begin later than its first token. Published models decode so.
    start = mask.shape[1] - jnp.sum(mask, axis=1)
    return gemma_fast.logits(llm, out[:, -1]), Decoding(cache, start)


def decode_step(
    config: Pi0FastConfig, params: Params, tokens: Int[Array, " B"], decoding: Decoding
) -> tuple[Float[Array, "B V"], Decoding]:
    """Writes one token of each row: logits of the next, and the new state."""
    llm, cache = params["PaliGemma"]["llm"], decoding.cache
    model = _gemma(config)
    embedded = model.apply({"params": llm}, tokens[:, None], method="embed")
    # The first new token is at position length + 1, not length: published models decode with this gap.
    positions = cache.index - decoding.start + 1
    mask = jnp.arange(cache.k.shape[2]) >= decoding.start[:, None]
    out, cache = gemma_fast.step(model, llm, embedded, positions[:, None], mask, cache)
    return gemma_fast.logits(llm, out[:, 0]), Decoding(cache, decoding.start)


def _preprocess(config, rng, observation, augmentation="none", part=microbatch.WHOLE):
    return preprocess.preprocess(
        rng,
        observation,
        image_keys=sorted(config.image_keys),
        image_resolution=config.image_resolution,
        augmentation=augmentation,
        part=part,
    )


def _check_text(config, observation, *masks):
    expected = (observation.state.shape[0], config.max_token_len)
    for field in ("tokenized_prompt", "tokenized_prompt_mask", *masks):
        value = getattr(observation, field)
        if value is None:
            raise ValueError(f"pi0_fast: observation lacks {field}; tokenize the prompt with the FAST tokenizer")
        if value.shape != expected:
            raise ValueError(
                f"pi0_fast: {field} has shape {list(value.shape)}, expected {list(expected)} "
                "(batch, max_token_len); pad or cut the text to max_token_len"
            )


def _siglip(config: Pi0FastConfig) -> siglip.Siglip:
    return siglip.Siglip(config.siglip, config.language.width, jnp.dtype(config.dtype), config.remat)


def _gemma(config: Pi0FastConfig) -> gemma.Gemma:
    return gemma_fast.build(config.language, config.vocab_size, jnp.dtype(config.dtype), config.remat)
