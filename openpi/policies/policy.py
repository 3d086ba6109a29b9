"""A model behind its transforms: an observation goes in, an action chunk comes out, both in the robot's units."""

import functools
import time
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float, Int

from openpi.client import base_policy
from openpi.models import model as model_lib
from openpi.models import observation as observation_lib
from openpi.policies import request_options
from openpi.transforms import transform

# Model inputs of one sample: key → (shape, dtype), images apart.
_Spec = dict[str, tuple[tuple[int, ...], type]]


class Policy(base_policy.BasePolicy):
    """Infers action chunks with one model. Not thread-safe: it holds the random state, which moves with every call.

    The road: input transform → batch of one → sampler → output transform; the transforms are those of training.
    """

    def __init__(
        self,
        model_config: model_lib.Config,
        params: dict[str, Any],
        *,
        rng: Array | None = None,
        input_transform: transform.Transform,
        output_transform: transform.Transform,
        sampling: request_options.RequestOptions,
        max_decoding_steps: int = 256,
        metadata: dict[str, Any] | None = None,
    ):
        """Prepares the sampler; nothing is compiled yet (see `warmup`).

        Args:
          model_config: sizes of the model.
          params: its parameters, a nested dict with the published paths; moved once, to the one device they are on or the first.
          rng: the random key that calls split their keys off; `jax.random.key(0)` if None.
          input_transform: observation → model input (unbatched numpy).
          output_transform: `state` and `actions` of the model ([H, A]; tokens [T] for pi0-FAST) → the robot's `actions`.
          sampling: what requests without options of their own get: both `num_steps` and `temperature` are given.
          max_decoding_steps: tokens of a call at the most (pi0-FAST).
          metadata: what a server tells its clients on connecting.
        """
        self._config = model_config
        params = jax.device_put(params)
        (device,) = jax.tree.leaves(params)[0].devices()
        # Parameters that are bound to a device bind the key that a call returns: a key not bound from the start would
        # make the second call compile anew.
        self._params = jax.device_put(params, device)
        self._rng = jax.device_put(jax.random.key(0) if rng is None else rng, device)
        self._input_transform = input_transform
        self._output_transform = output_transform
        self._metadata = dict(metadata or {})
        self._defaults = sampling
        self._max_decoding_steps = max_decoding_steps
        height, width = model_config.image_resolution
        self._image_shape = (height, width, 3)
        tokens = (model_config.max_token_len,)
        self._spec: _Spec = {"tokenized_prompt": (tokens, np.int32), "tokenized_prompt_mask": (tokens, np.bool_)}
        if model_lib.is_autoregressive(model_config):
            self._spec["token_ar_mask"] = (tokens, np.int32)
        else:
            self._spec["state"] = ((model_config.action_dim,), np.float32)

    @property
    def metadata(self) -> dict[str, Any]:
        """What a server tells its clients on connecting."""
        return self._metadata

    def infer(self, obs: dict, noise: Float[np.ndarray, "H A"] | Float[np.ndarray, "1 H A"] | None = None) -> dict:
        """Returns `actions` [H, robot's action dim] and `policy_timing`, in one dict.

        Args:
          obs: one observation in the robot's units, without batch axis; it is not changed. Its entry `openpi`, if any, holds
            options for this call (`request_options`). No value of theirs compiles anything.
          noise: what sampling starts from; drawn from the policy's random key if None. The key moves on either way.

        `policy_timing.infer_ms` is the time from handing the model input to the device until the actions are there.
        (The published policy stops its clock before that, so that its figures are lower than what a caller waits.)

        Raises:
          ValueError: the observation or its options are not what the robot or the model takes.
          RuntimeError: the model's actions are not finite: its parameters are broken.
        """
        obs, options = request_options.take(obs)
        sampling = self._sampling(options, options.noise if noise is None else noise)
        data = self._input_transform(dict(obs))
        state = _state(data)
        model_input = self._batch(data)
        start = time.perf_counter()
        self._rng, actions = sample(self._config, self._params, self._rng, model_input, sampling)
        actions = np.asarray(actions)[0]  # Blocks until the device is done.
        infer_ms = (time.perf_counter() - start) * 1000
        if not np.isfinite(actions).all():
            raise RuntimeError("the model's actions are not finite: its parameters are broken; use another checkpoint")
        outputs = self._output_transform({"state": state, "actions": actions})
        return {**outputs, "policy_timing": {"infer_ms": infer_ms}}

    def warmup(self) -> None:
        """Compiles the sampler, so that no client waits for it. The random state stays as it is."""
        zeros: dict[str, Any] = {key: np.zeros((1, *shape), dtype) for key, (shape, dtype) in self._spec.items()}
        zeros["image"] = {key: np.zeros((1, *self._image_shape), np.uint8) for key in self._config.image_keys}
        zeros["image_mask"] = {key: np.ones(1, np.bool_) for key in self._config.image_keys}
        sampling = self._sampling(request_options.RequestOptions(), None)
        jax.block_until_ready(sample(self._config, self._params, self._rng, zeros, sampling))

    def _sampling(
        self, options: request_options.RequestOptions, noise: np.ndarray | None
    ) -> model_lib.FlowSampling | model_lib.TokenSampling:
        """How to sample one call: its options, or the policy's own; arrays of fixed shape and dtype."""
        if model_lib.is_autoregressive(self._config):
            if options.num_steps is not None or noise is not None:
                raise ValueError("pi0_fast draws tokens: it takes a temperature, but neither num_steps nor noise")
            temperature = self._defaults.temperature if options.temperature is None else options.temperature
            return model_lib.TokenSampling(np.float32(temperature), self._max_decoding_steps)
        if options.temperature is not None:
            raise ValueError(f"{self._config.model_type} draws no tokens: it takes num_steps and noise, no temperature")
        num_steps = self._defaults.num_steps if options.num_steps is None else options.num_steps
        shape = (self._config.action_horizon, self._config.action_dim)
        given = np.zeros((1, *shape), np.float32) if noise is None else _batched_noise(noise, shape)
        return model_lib.FlowSampling(np.int32(num_steps), given, np.bool_(noise is not None))

    def _batch(self, data: dict) -> dict:
        """Returns the model's inputs as a batch of one, checked: one shape and dtype a key, so that jit compiles once."""
        batch: dict[str, Any] = {key: _leaf(data, key, shape, dtype) for key, (shape, dtype) in self._spec.items()}
        images, masks = data.get("image", {}), data.get("image_mask", {})
        batch["image"] = {key: _leaf(images, key, self._image_shape, np.uint8) for key in self._config.image_keys}
        batch["image_mask"] = {key: _leaf(masks, key, (), np.bool_) for key in self._config.image_keys}
        return batch


@functools.partial(jax.jit, static_argnames="config")
def sample(
    config: model_lib.Config,
    params: dict[str, Any],
    rng: Array,
    model_input: dict,
    sampling: model_lib.FlowSampling | model_lib.TokenSampling,
) -> tuple[Array, Float[Array, "B H A"] | Int[Array, "B T"]]:
    """Samples actions (or action tokens) for a batch of model inputs; compiled once for all policies of the same sizes.

    Returns:
      The key to use next, and the actions, whose key was split off `rng`.
    """
    rng, sample_rng = jax.random.split(rng)
    if "state" not in model_input:  # pi0-FAST reads the state in its prompt
        batch = model_input["tokenized_prompt"].shape[0]
        model_input = {**model_input, "state": np.zeros((batch, 0), np.float32)}
    observation = observation_lib.Observation.from_dict(model_input)
    return rng, model_lib.sample(config, params, sample_rng, observation, sampling)


def _state(data: dict) -> np.ndarray:
    """Returns the state as float32, as the model sees it."""
    if "state" not in data:
        raise ValueError(f"the transforms made no 'state' of this observation; they made {sorted(data)}")
    state = np.asarray(data["state"], np.float32)
    if not np.isfinite(state).all():
        where = np.flatnonzero(~np.isfinite(state)).tolist()
        raise ValueError(f"'state' is not finite at positions {where}; send the robot's joint positions as numbers")
    return state


def _batched_noise(noise: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Returns noise as float32 [1, H, A]."""
    noise = np.asarray(noise)
    if noise.shape not in (shape, (1, *shape)) or not np.issubdtype(noise.dtype, np.number):
        raise ValueError(f"noise is {noise.dtype} {list(noise.shape)}; the model's actions are numbers {list(shape)}")
    noise = noise.astype(np.float32).reshape(1, *shape)
    if not np.isfinite(noise).all():
        raise ValueError("noise is not finite; send numbers, about normally distributed")
    return noise


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
