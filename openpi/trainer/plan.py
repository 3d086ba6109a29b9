"""How much memory of each device a configuration's training takes, from shapes alone: no parameter is ever allocated."""

import dataclasses
import math
import os
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from openpi.config import build_model, schema
from openpi.models import model as model_lib
from openpi.policies import plain_sampler
from openpi.trainer import compile_step, plan_program, setup, sharding
from openpi.trainer import state as state_lib

_BATCHES_AHEAD = 7  # that wait on the device for their step, or belong to steps that were handed to it


@dataclasses.dataclass(frozen=True)
class Plan:
    """Bytes on each device.

    Attributes:
      batch_size: samples a step, over all devices.
      devices: how many there are.
      trained, frozen: parameters.
      optimizer: its state.
      average: the moving average of the parameters.
      gradients: of the trained parameters.
      activations: all else that a step needs in between.
      batches: the step's and those ahead of it.
      loaded: the weights that training starts from, as they come; in memory beside the first state only.
    """

    batch_size: int
    devices: int
    trained: int
    frozen: int
    optimizer: int
    average: int
    gradients: int
    activations: int
    batches: int
    loaded: int

    @property
    def state(self) -> int:
        """What stays from step to step."""
        return self.trained + self.frozen + self.optimizer + self.average

    @property
    def peak(self) -> int:
        """The most there is at any time: during a step, or when training starts."""
        return max(self.state + self.gradients + self.activations + self.batches, self.state + self.loaded)


def of_training(config: schema.ConfigDict, *, here: bool = False, sample: Any = None) -> Plan:
    """The memory of a configuration's training on as many devices as JAX has (`jax_num_cpu_devices` may feign them).

    Args:
      config: its batch size may be any that the devices divide.
      here: lay out the very step that would run on this machine's devices. Otherwise what an accelerator would need:
        its gradients, while the update happens in place, see `plan_program.on_accelerator`.
      sample: what the transforms make of a row of the dataset; None takes it as the model's sizes say.

    Raises:
      ValueError: the devices don't divide the batch, or a field cannot work.
    """
    mesh = sharding.make_mesh(config.fsdp_devices, config.batch_size, config.accumulation_steps)
    parts = setup.build(config, mesh)
    state = setup.abstract_state(parts)
    batch = setup.abstract_batch(parts, model_inputs(parts.model) if sample is None else sample, config.batch_size)
    rng, _ = setup.rngs(config.seed)
    if here:
        limited = config.on_divergence == "skip"
        program = plan_program.of_compiled(compile_step.compile_step(parts, state, rng, batch, limited=limited))
    else:
        program = plan_program.on_accelerator(setup.jit_gradients(parts, state).lower(state.params, rng, batch))
    trained, frozen = state_lib.split(state.params, config.freeze)
    gradients = _bytes(trained)  # their dtype
    return Plan(
        batch_size=config.batch_size,
        devices=mesh.size,
        trained=_bytes(trained),
        frozen=_bytes(frozen),
        optimizer=_bytes(state.opt_state),
        average=_bytes(state.ema_params),
        gradients=gradients,
        activations=max(program.outputs + program.temporaries - gradients, 0),
        batches=(1 + _BATCHES_AHEAD) * _bytes(batch),
        loaded=0 if config.weights.kind == "none" else _bytes(state.params),
    )


def of_inference(config: schema.ConfigDict, *, batch_size: int = 1) -> plan_program.ProgramMemory:
    """The memory of one accelerator that answers requests with a configuration's model, in the dtype it computes in."""
    model = build_model.build(config.model)
    dtype = jnp.dtype(config.model.dtype)
    shapes = jax.eval_shape(lambda rng: model_lib.init(model, rng), jax.random.key(0))
    params = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, dtype), shapes)
    inputs = {
        key: jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((batch_size, *leaf.shape), leaf.dtype), value)
        for key, value in model_inputs(model).items()
        if key not in ("actions", "token_loss_mask") and (key != "state" or not model_lib.is_autoregressive(model))
    }
    sampling: model_lib.FlowSampling | model_lib.TokenSampling
    if model_lib.is_autoregressive(model):
        sampling = model_lib.TokenSampling(np.float32(0), config.sampling.max_decoding_steps)
    else:
        noise = np.zeros((batch_size, model.action_horizon, model.action_dim), np.float32)
        sampling = model_lib.FlowSampling(np.int32(config.sampling.num_steps), noise, np.bool_(False))
    return plan_program.on_accelerator(plain_sampler.sample.lower(model, params, jax.random.key(0), inputs, sampling))


def device_memory() -> int:
    """Bytes of this machine's first device that JAX may use: of a CPU, its share of the machine's memory."""
    device = jax.local_devices()[0]
    stats = device.memory_stats()
    if stats and "bytes_limit" in stats:
        return stats["bytes_limit"]
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // jax.local_device_count()


def model_inputs(model: model_lib.Config) -> dict[str, Any]:
    """One sample as a batch holds it: zeros in the shapes of the model, images in uint8 at its size."""
    observation, actions = model.inputs_spec()
    inputs = {key: value for key, value in observation.to_dict().items() if value is not None} | {"actions": actions}
    sample = jax.tree.map(lambda leaf: np.zeros(leaf.shape[1:], leaf.dtype), inputs)
    return sample | {"image": {key: image.astype(np.uint8) for key, image in sample["image"].items()}}


def _bytes(tree: Any) -> int:
    """Of all leaves, on one device."""
    return sum(math.prod(leaf.sharding.shard_shape(leaf.shape)) * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))
