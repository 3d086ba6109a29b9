"""What the transforms made of an observation, checked for the model: one shape and dtype a key, so that jit compiles once."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from openpi.models import model as model_lib

# Key → (shape, dtype) of one sample; a nested dict for the cameras.
Spec = dict[str, Any]


def spec_of(config: model_lib.Config) -> Spec:
    """The inputs of one sample that the model takes."""
    tokens = (config.max_token_len,)
    spec: Spec = {"tokenized_prompt": (tokens, np.int32), "tokenized_prompt_mask": (tokens, np.bool_)}
    if model_lib.is_autoregressive(config):
        spec["token_ar_mask"] = (tokens, np.int32)
    else:
        spec["state"] = ((config.action_dim,), np.float32)
    spec["image"] = dict.fromkeys(config.image_keys, ((*config.image_resolution, 3), np.uint8))
    spec["image_mask"] = dict.fromkeys(config.image_keys, ((), np.bool_))
    return spec


def check(spec: Spec, data: dict) -> dict[str, Any]:
    """Returns the sample that `data` holds, unbatched, as `spec` says.

    Raises:
      ValueError: an input is missing, or has another shape or kind.
    """
    sample: dict[str, Any] = {}
    for key, entry in spec.items():
        if isinstance(entry, dict):
            sample[key] = {name: _leaf(data.get(key, {}), name, *expected) for name, expected in entry.items()}
        else:
            sample[key] = _leaf(data, key, *entry)
    return sample


def batch(samples: Sequence[dict[str, Any]], size: int) -> dict[str, Any]:
    """Returns the samples as one batch of `size`, the first one repeated where there are too few.

    (A row of zeros would do for a flow; but tokens of one that makes no sense may go on to the very last.)
    """
    rows = [*samples, *[samples[0]] * (size - len(samples))]
    return jax.tree.map(lambda *leaves: np.stack(leaves), *rows)


def zeros(spec: Spec) -> dict[str, Any]:
    """A sample that only has the right shapes."""
    return {key: zeros(entry) if isinstance(entry, dict) else np.zeros(*entry) for key, entry in spec.items()}


def state_of(data: dict) -> np.ndarray:
    """Returns the state as float32, as the model sees it.

    Raises:
      ValueError: there is none, or it is not finite.
    """
    if "state" not in data:
        raise ValueError(f"the transforms made no 'state' of this observation; they made {sorted(data)}")
    state = np.asarray(data["state"], np.float32)
    if not np.isfinite(state).all():
        where = np.flatnonzero(~np.isfinite(state)).tolist()
        raise ValueError(f"'state' is not finite at positions {where}; send the robot's joint positions as numbers")
    return state


def check_noise(noise: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Returns noise as float32 [H, A].

    Raises:
      ValueError: it has another shape, or holds something else than finite numbers.
    """
    noise = np.asarray(noise)
    if noise.shape not in (shape, (1, *shape)) or not np.issubdtype(noise.dtype, np.number):
        raise ValueError(f"noise is {noise.dtype} {list(noise.shape)}; the model's actions are numbers {list(shape)}")
    noise = noise.astype(np.float32).reshape(shape)
    if not np.isfinite(noise).all():
        raise ValueError("noise is not finite; send numbers, about normally distributed")
    return noise


def _leaf(data: dict, key: str, shape: tuple[int, ...], dtype: type) -> np.ndarray:
    """Returns `data[key]` of `shape` and `dtype`."""
    if key not in data:
        raise ValueError(
            f"the transforms made no '{key}' of this observation, which the model needs; they made {sorted(data)}"
        )
    value = np.asarray(data[key])
    if value.shape != shape or not np.can_cast(value.dtype, dtype, casting="same_kind"):
        raise ValueError(
            f"'{key}' reaches the model as {value.dtype} {list(value.shape)}; it takes {np.dtype(dtype)} {list(shape)}"
        )
    return value.astype(dtype)
