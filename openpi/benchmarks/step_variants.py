"""Ways to do the same training step, compiled: the plain one, and those that settings choose from."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from openpi.models import flow, gemma, model, pi0, preprocess, siglip
from openpi.trainer import flops, optimizer, train_step
from openpi.trainer import state as state_lib

_COMMON: dict[str, Any] = {"vocab_size": 2000, "action_dim": 14, "max_token_len": 48, "image_keys": pi0.IMAGE_KEYS[:2]}
MODELS = {
    "small": pi0.Pi0Config(
        siglip=siglip.SiglipConfig(64, 2, 128, 4, (28, 28), "sincos2d", "lecun"),
        language=gemma.GemmaConfig(64, 2, 128, 2, 1, 32),
        expert=gemma.GemmaConfig(64, 2, 128, 2, 1, 32),
        **_COMMON,
    ),
    "mid": pi0.Pi0Config(
        siglip=siglip.SiglipConfig(256, 4, 1024, 4, (28, 28), "sincos2d", "lecun"),
        language=gemma.GemmaConfig(256, 8, 1024, 4, 1, 64),
        expert=gemma.GemmaConfig(128, 8, 512, 4, 1, 64),
        **_COMMON,
    ),
}


@dataclasses.dataclass(frozen=True)
class Variant:
    """One way. The plain step runs the prefix through all of the last layer, though nothing reads what comes of it."""

    name: str
    remat: str = "full"
    plain: bool = False
    accumulation_steps: int = 1
    num_draws: int = 1


PLAIN = Variant("plain", plain=True)
# All but the last compute the plain step's numbers.
VARIANTS = (
    PLAIN,
    *(Variant(f"remat {remat}", remat) for remat in ("full", "dots", "none")),
    *(Variant(f"remat {remat}, 4 parts", remat, accumulation_steps=4) for remat in ("full", "dots", "none")),
    Variant("remat none, 4 draws", "none", num_draws=4),
)


def plain_loss(config: pi0.Pi0Config, params, rng, observation, actions):
    """`pi0.compute_loss` as the published system computes it; the very same numbers."""
    augment_rng, noise_rng, time_rng = jax.random.split(rng, 3)
    observation = preprocess.preprocess(
        augment_rng,
        observation,
        image_keys=config.image_keys,
        image_resolution=config.image_resolution,
        augmentation=config.augmentation,
    )
    noise = jax.random.normal(noise_rng, actions.shape)
    time = jax.random.beta(time_rng, 1.5, 1, actions.shape[:1]) * 0.999 + 0.001
    x_t, u_t = flow.interpolate(actions, noise, time)
    prefix = pi0.embed_prefix(config, params, observation)
    suffix = pi0.embed_suffix(config, params, observation.state, x_t, time)
    _, out = pi0.encode_jointly(config, params, prefix, suffix)
    v_t = out[:, -config.action_horizon :] @ params["action_out_proj"]["kernel"] + params["action_out_proj"]["bias"]
    return jnp.mean(jnp.square(v_t - u_t), axis=-1)


class Step:
    """A compiled variant with its own state.

    Args:
      config: of the model; the variant sets `remat`.
      variant: the way.
      batch_size: samples.
    """

    def __init__(self, config: pi0.Pi0Config, variant: Variant, batch_size: int):
        self.variant = variant
        config = dataclasses.replace(config, remat=variant.remat)
        transformation = optimizer.adamw(1e-4)
        make = train_step.make(
            functools.partial(_loss, config, variant),
            transformation,
            ema_decay=0.99,
            accumulation_steps=variant.accumulation_steps,
        )
        init = lambda rng: state_lib.create(model.init(config, rng), transformation, frozen="", ema=True)
        self._state = jax.jit(init)(jax.random.key(0))
        self._rng = jax.random.key(1)
        abstract = jax.eval_shape(lambda: (self._state, self._rng, random_batch(config, batch_size, 0)))
        self.operations = flops.of_program(make, *abstract)
        self._compiled = jax.jit(make, donate_argnums=0).lower(*abstract).compile()

    @property
    def state(self) -> state_lib.TrainState:
        """After the last step; the next one takes its memory."""
        return self._state

    @property
    def temporary_bytes(self) -> int:
        """Memory beyond state and batch."""
        return self._compiled.memory_analysis().temp_size_in_bytes

    def __call__(self, batch: Any) -> dict[str, float]:
        """One step; its metrics, once it is done."""
        self._state, metrics = self._compiled(self._state, self._rng, batch)
        jax.block_until_ready(self._state)
        return {name: float(value) for name, value in metrics.items()}


def random_batch(config: pi0.Pi0Config, size: int, seed: int):
    """Observation and actions of random numbers, as a step takes them."""
    rng = np.random.default_rng(seed)
    make = {
        "float32": lambda spec: rng.uniform(-1, 1, spec.shape).astype(np.float32),
        "int32": lambda spec: rng.integers(0, config.vocab_size, spec.shape).astype(np.int32),
        "bool": lambda spec: np.ones(spec.shape, bool),
    }
    return jax.tree.map(lambda spec: jnp.asarray(make[spec.dtype.name](spec)), config.inputs_spec(size))


def _loss(config, variant, params, rng, batch, part):
    if variant.plain:
        return plain_loss(config, params, rng, *batch)
    return pi0.compute_loss(config, params, rng, *batch, train=True, num_draws=variant.num_draws, part=part)
