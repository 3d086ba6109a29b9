"""A policy from a checkpoint: its configuration, or one that is given, builds the model and the transforms around it."""

import functools
import pathlib
from typing import Any

import jax
import numpy as np

from openpi.checkpoints import layout, locate, restore
from openpi.checkpoints.pytorch import read as pytorch_read
from openpi.client import robot_description
from openpi.config import build_model, build_transforms, json_file, schema
from openpi.engine import quantization
from openpi.models import model as model_lib
from openpi.models import pi0_fast
from openpi.normalization import norm_stats
from openpi.policies import (
    fused_sampler,
    fused_token_sampler,
    plain_sampler,
    policy,
    request_options,
    sampler,
)

ENGINES = ("fused", "plain")


def create_policy(
    config: schema.ConfigDict | None,
    checkpoint_dir: str | pathlib.Path,
    *,
    default_prompt: str | None = None,
    num_steps: int | None = None,
    temperature: float | None = None,
    params_dtype: np.typing.DTypeLike | None = None,
    rng: jax.Array | None = None,
    engine: str = "fused",
    max_kept: int = 0,
    quantize: str = "none",
) -> policy.Policy:
    """Returns the policy that a checkpoint holds.

    Args:
      config: the configuration it was trained with; None takes the one in the checkpoint (published ones have none).
      checkpoint_dir: a step folder, a run folder (its latest step), or a folder with `model.safetensors` (PyTorch's
        format); a URL of one is fetched.
      default_prompt: for observations without one; None leaves the configuration's.
      num_steps: denoising steps (pi0, pi0.5), 1 to 100; None takes the configuration's.
      temperature: of drawn tokens (pi0-FAST), 0 for the likeliest; None takes the configuration's.
      params_dtype: what all parameters are cast to. None: bfloat16 if the model computes in bfloat16 (as published
        policies are served, in half the memory), else the stored types.
      rng: the policy's random key; `jax.random.key(0)` if None.
      engine: one of ENGINES: "fused" samples faster, "plain" by the model as it was trained; equal but for rounding.
      max_kept: requests whose images and prompt are remembered, see `fused_sampler` (pi0, pi0.5).
      quantize: one of `quantization.MODES`: weights of 8 bits, in half the memory of bfloat16, for actions that differ somewhat;
        the fused engine's only.

    Raises:
      FileNotFoundError: it is not a checkpoint, or it lacks its configuration or norm stats.
      ValueError: its parameters are not those of the configuration's model.
    """
    step_dir = locate.find_step_dir(checkpoint_dir)
    config = load_config(step_dir) if config is None else config
    model_config = build_model.build(config.model)
    if params_dtype is None and config.model.dtype == "bfloat16":
        params_dtype = jax.numpy.bfloat16
    stats = _load_norm_stats(step_dir, config)
    if engine not in ENGINES:
        raise ValueError(f"engine={engine!r} must be one of {', '.join(ENGINES)}")
    if quantize not in quantization.MODES:
        raise ValueError(f"quantize={quantize!r} must be one of {', '.join(quantization.MODES)}")
    if quantize != "none" and engine != "fused":
        raise ValueError(
            f"quantize={quantize!r} is of engine='fused' alone, not engine={engine!r}; leave one of them out"
        )
    device = fused_sampler.host() if engine == "fused" else jax.devices()[0]
    params = _restore(step_dir, model_config, params_dtype, device)
    model = _sampler(model_config, params, build_transforms.robot_of(config), engine, max_kept, quantize)
    transforms = build_transforms.build(config, layout.codec_dir(step_dir))
    return _assemble(config, model, stats, transforms, _sampling(config, num_steps, temperature), default_prompt, rng)


def create_untrained_policy(
    config: schema.ConfigDict | None, checkpoint_dir: str | pathlib.Path, *, seed: int = 0
) -> policy.Policy:
    """Returns the policy of a checkpoint as before training: random parameters, the same transforms and statistics."""
    step_dir = locate.find_step_dir(checkpoint_dir)
    config = load_config(step_dir) if config is None else config
    model_config = build_model.build(config.model)
    params = jax.jit(model_lib.init, static_argnums=0)(model_config, jax.random.key(seed))
    model = plain_sampler.PlainSampler(model_config, params)
    transforms = build_transforms.build(config, layout.codec_dir(step_dir))
    return _assemble(config, model, _load_norm_stats(step_dir, config), transforms, _sampling(config))


def load_config(checkpoint_dir: str | pathlib.Path) -> schema.ConfigDict:
    """Returns the configuration in a checkpoint.

    Raises:
      FileNotFoundError: it is not a checkpoint, or one without a configuration.
      ValueError: the configuration cannot be read.
    """
    path = layout.config_file(locate.find_step_dir(checkpoint_dir))
    if not path.is_file():
        raise FileNotFoundError(
            f"checkpoint {path.parent.parent} has no {path.parent.name}/{path.name}; name its configuration with "
            "--config=FILE.py or --config_name=NAME (for published checkpoints, the name they were released under)"
        )
    return json_file.load(path)


def _restore(step_dir: pathlib.Path, model_config: model_lib.Config, dtype: Any, device: jax.Device) -> dict[str, Any]:
    """The checkpoint's parameters that the model has, on `device`; further ones are not read."""
    expected = jax.eval_shape(functools.partial(model_lib.init, model_config), jax.random.key(0))
    if pytorch_read.find_file(step_dir):
        return pytorch_read.read_params(step_dir, expected=expected, dtype=dtype)
    sharding = jax.sharding.SingleDeviceSharding(device)
    return restore.restore_params(step_dir / layout.PARAMS, expected=expected, dtype=dtype, sharding=sharding)


def _sampling(config, num_steps=None, temperature=None) -> request_options.RequestOptions:
    return request_options.RequestOptions(
        num_steps=config.sampling.num_steps if num_steps is None else num_steps,
        temperature=config.sampling.temperature if temperature is None else temperature,
    )


def _sampler(
    config: model_lib.Config,
    params: dict[str, Any],
    robot: robot_description.RobotDescription,
    engine: str,
    max_kept: int,
    quantize: str,
) -> sampler.Sampler:
    if engine == "plain":
        return plain_sampler.PlainSampler(config, params)
    if isinstance(config, pi0_fast.Pi0FastConfig):  # a black image costs nothing
        return fused_token_sampler.FusedTokenSampler(config, params, _views(robot, {"masked", "black"}), quantize)
    return fused_sampler.FusedSampler(config, params, _views(robot, {"masked"}), max_kept, quantize)


def _views(robot: robot_description.RobotDescription, free: set[str]) -> list[list[str]]:
    """The combinations of images that a robot is expected to send: all it has, and only those that it must send.

    Args:
      robot: which one.
      free: of `Camera.missing`: what costs nothing when it is missing.
    """
    has = [camera.image for camera in robot.cameras if camera.source or camera.missing not in free]
    must = [camera.image for camera in robot.cameras if camera.missing not in free]
    return [view for view in (has, must) if view]


def _assemble(config, model, stats, transforms, sampling, default_prompt=None, rng=None) -> policy.Policy:
    return policy.Policy(
        build_model.build(config.model),
        model,
        rng=rng,
        input_transform=transforms.inference_input(stats, default_prompt),
        output_transform=transforms.inference_output(stats),
        sampling=sampling,
        max_decoding_steps=config.sampling.max_decoding_steps,
        metadata={**config.policy_metadata.to_dict(), "robot": config.data.robot.to_dict()},
    )


def _load_norm_stats(step_dir: pathlib.Path, config: schema.ConfigDict) -> dict[str, norm_stats.NormStats]:
    asset_id = build_transforms.asset_id(config)
    directory = layout.norm_stats_dir(step_dir, asset_id)
    if not directory.is_dir():
        assets = step_dir / layout.ASSETS
        found = sorted(str(path.parent.relative_to(assets)) for path in assets.rglob("norm_stats.json"))
        raise FileNotFoundError(
            f"checkpoint {step_dir} has no norm stats for asset {asset_id!r} (it has: {', '.join(found) or 'none'}); set "
            "config.data.asset_id, or compute them with `tools/bazel run //openpi/norm_stats -- --config=...` and copy "
            f"norm_stats.json to {directory}"
        )
    return norm_stats.load(directory)
