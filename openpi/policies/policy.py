"""A model behind its transforms: an observation goes in, an action chunk comes out, both in the robot's units."""

import functools
import time
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float

from openpi.client import base_policy
from openpi.models import observation as observation_lib
from openpi.models import pi0
from openpi.transforms import transform

# Model inputs of one sample: key → (shape, dtype), images apart.
_Spec = dict[str, tuple[tuple[int, ...], type]]


class Policy(base_policy.BasePolicy):
    """Infers action chunks with one model. Not thread-safe: it holds the random state, which moves with every call.

    The road: input transform → batch of one → sampler → output transform; the transforms are those of training.
    """

    def __init__(
        self,
        model_config: pi0.Pi0Config,
        params: dict[str, Any],
        *,
        rng: Array | None = None,
        input_transform: transform.Transform,
        output_transform: transform.Transform,
        num_steps: int = 10,
        metadata: dict[str, Any] | None = None,
    ):
        """Prepares the sampler; nothing is compiled yet (see `warmup`).

        Args:
          model_config: sizes of the model.
          params: its parameters, a nested dict with the published paths; moved to the device once.
          rng: the random key that calls split their keys off; `jax.random.key(0)` if None.
          input_transform: observation → model input (unbatched numpy).
          output_transform: `state` and `actions` [H, A] of the model → the robot's `actions`.
          num_steps: denoising steps of a call.
          metadata: what a server tells its clients on connecting.
        """
        self._config = model_config
        self._params = jax.device_put(params)
        self._rng = jax.random.key(0) if rng is None else rng
        self._input_transform = input_transform
        self._output_transform = output_transform
        self._metadata = dict(metadata or {})
        self._num_steps = num_steps
        height, width = model_config.image_resolution
        self._image_shape = (height, width, 3)
        self._spec: _Spec = {
            "state": ((model_config.action_dim,), np.float32),
            "tokenized_prompt": ((model_config.max_token_len,), np.int32),
            "tokenized_prompt_mask": ((model_config.max_token_len,), np.bool_),
        }

    @property
    def metadata(self) -> dict[str, Any]:
        """What a server tells its clients on connecting."""
        return self._metadata

    def infer(self, obs: dict, noise: Float[np.ndarray, "H A"] | Float[np.ndarray, "1 H A"] | None = None) -> dict:
        """Returns `actions` [H, robot's action dim] and `policy_timing`, in one dict.

        Args:
          obs: one observation in the robot's units, without batch axis; it is not changed.
          noise: what sampling starts from; drawn from the policy's random key if None. The key moves on either way.

        `policy_timing.infer_ms` is the time from handing the model input to the device until the actions are there.
        (The published policy stops its clock before that, so that its figures are lower than what a caller waits.)

        Raises:
          ValueError: the observation is not what the robot or the model takes.
          RuntimeError: the model's actions are not finite: its parameters are broken.
        """
        model_input = self._batch(self._input_transform(dict(obs)))
        noise = None if noise is None else self._batched_noise(noise)
        start = time.perf_counter()
        self._rng, actions = self._sample(self._rng, model_input, noise)
        actions = np.asarray(actions)[0]  # Blocks until the device is done.
        infer_ms = (time.perf_counter() - start) * 1000
        if not np.isfinite(actions).all():
            raise RuntimeError("the model's actions are not finite: its parameters are broken; use another checkpoint")
        outputs = self._output_transform({"state": model_input["state"][0], "actions": actions})
        return {**outputs, "policy_timing": {"infer_ms": infer_ms}}

    def warmup(self) -> None:
        """Compiles the sampler, so that no client waits for it. The random state stays as it is."""
        zeros: dict[str, Any] = {key: np.zeros((1, *shape), dtype) for key, (shape, dtype) in self._spec.items()}
        zeros["image"] = {key: np.zeros((1, *self._image_shape), np.uint8) for key in self._config.image_keys}
        zeros["image_mask"] = {key: np.ones(1, np.bool_) for key in self._config.image_keys}
        jax.block_until_ready(self._sample(self._rng, zeros, None))

    def _sample(self, rng: Array, model_input: dict, noise: np.ndarray | None) -> tuple[Array, Float[Array, "1 H A"]]:
        return sample(self._config, self._params, rng, model_input, noise, num_steps=self._num_steps)

    def _batch(self, data: dict) -> dict:
        """Returns the model's inputs as a batch of one, checked: one shape and dtype a key, so that jit compiles once."""
        batch: dict[str, Any] = {key: _leaf(data, key, shape, dtype) for key, (shape, dtype) in self._spec.items()}
        if not np.isfinite(batch["state"]).all():
            where = np.flatnonzero(~np.isfinite(batch["state"])).tolist()
            raise ValueError(f"'state' is not finite at positions {where}; send the robot's joint positions as numbers")
        images, masks = data.get("image", {}), data.get("image_mask", {})
        batch["image"] = {key: _leaf(images, key, self._image_shape, np.uint8) for key in self._config.image_keys}
        batch["image_mask"] = {key: _leaf(masks, key, (), np.bool_) for key in self._config.image_keys}
        return batch

    def _batched_noise(self, noise: np.ndarray) -> np.ndarray:
        """Returns noise as float32 [1, H, A]."""
        noise, shape = np.asarray(noise, np.float32), (self._config.action_horizon, self._config.action_dim)
        if noise.shape not in (shape, (1, *shape)):
            raise ValueError(f"noise has shape {list(noise.shape)}; the model's actions have {list(shape)}")
        return noise.reshape(1, *shape)


@functools.partial(jax.jit, static_argnames=("config", "num_steps"))
def sample(
    config: pi0.Pi0Config,
    params: dict[str, Any],
    rng: Array,
    model_input: dict,
    noise: Float[Array, "B H A"] | None,
    *,
    num_steps: int,
) -> tuple[Array, Float[Array, "B H A"]]:
    """Samples actions for a batch of model inputs; compiled once for all policies of the same sizes.

    Returns:
      The key to use next, and the actions, whose key was split off `rng`.
    """
    rng, sample_rng = jax.random.split(rng)
    observation = observation_lib.Observation.from_dict(model_input)
    actions = pi0.sample_actions(config, params, sample_rng, observation, num_steps=num_steps, noise=noise)
    return rng, actions


def _leaf(data: dict, key: str, shape: tuple[int, ...], dtype: type) -> np.ndarray:
    """Returns `data[key]` as [1, *shape] of `dtype`."""
    if key not in data:
        raise ValueError(
            f"the transforms made no '{key}' of this observation, which the model needs; they made {sorted(data)}"
        )
    value = np.asarray(data[key])
    if value.shape != shape or not np.can_cast(value.dtype, dtype, casting="same_kind"):
        raise ValueError(
            f"'{key}' reaches the model as {value.dtype} {list(value.shape)}; it takes {np.dtype(dtype)} {list(shape)}"
        )
    return value.astype(dtype)[None]
