"""How batches and state are spread over devices."""

import logging
import math
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

_LOGGER = logging.getLogger("openpi")

BATCH_AXIS, FSDP_AXIS = "batch", "fsdp"
_MIN_SHARDED_BYTES = 4 * 2**20


def make_mesh(fsdp_devices: int, batch_size: int, accumulation_steps: int = 1) -> Mesh:
    """A mesh of all devices, `(devices / fsdp_devices, fsdp_devices)`, with the axes `("batch", "fsdp")`.

    Raises:
      ValueError: the devices can't be divided that way, or the batch (or its part, with accumulation) among them.
    """
    devices = jax.device_count()
    if devices % fsdp_devices:
        raise ValueError(f"config.fsdp_devices={fsdp_devices} must divide the number of devices, {devices}")
    if batch_size % devices:
        raise ValueError(f"config.batch_size={batch_size} must be a multiple of the number of devices, {devices}")
    if batch_size % (devices * accumulation_steps):
        raise ValueError(
            f"config.batch_size={batch_size} must be a multiple of config.accumulation_steps={accumulation_steps} times "
            f"the number of devices, {devices}"
        )
    # Sorted: process p of P then holds the rows [p * B / P, (p + 1) * B / P) of a batch, which are those that it reads.
    ordered = sorted(jax.devices(), key=lambda device: (device.process_index, device.id))
    return Mesh(np.array(ordered).reshape(-1, fsdp_devices), (BATCH_AXIS, FSDP_AXIS))


def data(mesh: Mesh) -> NamedSharding:
    """A batch: the leading axis over all devices."""
    return NamedSharding(mesh, PartitionSpec((BATCH_AXIS, FSDP_AXIS)))


def replicated(mesh: Mesh) -> NamedSharding:
    """The same on every device."""
    return NamedSharding(mesh, PartitionSpec())


def put_batch(mesh: Mesh, batch: Any) -> Any:
    """A batch on the devices, given this process's rows of it: a pytree of numpy arrays `[B / processes, ...]`."""
    placed = data(mesh)
    if placed.is_fully_addressable:
        return jax.device_put(batch, placed)

    def put(leaf):
        # in the dtypes that jax.device_put gives
        return jax.make_array_from_process_local_data(
            placed, np.asarray(leaf, jax.dtypes.canonicalize_dtype(leaf.dtype))
        )

    return jax.tree.map(put, batch)


def put_everywhere(mesh: Mesh, tree: Any) -> Any:
    """Arrays that every process has alike, on every device. Unlike `jax.device_put` it doesn't compare them among processes."""
    everywhere = replicated(mesh)
    if everywhere.is_fully_addressable:
        return jax.device_put(tree, everywhere)

    def put(leaf):
        if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return jax.random.wrap_key_data(put(jax.random.key_data(leaf)), impl=jax.random.key_impl(leaf))
        array = np.asarray(leaf)
        copies = [jax.device_put(array, device) for device in mesh.local_devices]
        return jax.make_array_from_single_device_arrays(array.shape, everywhere, copies)

    return jax.tree.map(put, tree)


def state(mesh: Mesh, tree: Any) -> Any:
    """A sharding for every leaf of the train state: fully sharded data parallelism.

    A leaf of two axes or more and 4 MiB or more is split along its largest axis that the fsdp devices divide; everything
    else is replicated.

    Args:
      mesh: from `make_mesh`.
      tree: pytree of leaves with `shape` and `dtype`.
    """
    devices = mesh.shape[FSDP_AXIS]

    def leaf_sharding(path, leaf):
        if devices == 1 or leaf.ndim < 2 or math.prod(leaf.shape) * leaf.dtype.itemsize < _MIN_SHARDED_BYTES:
            return replicated(mesh)
        for axis in sorted(range(leaf.ndim), key=lambda axis: leaf.shape[axis], reverse=True):
            if leaf.shape[axis] % devices == 0:
                return NamedSharding(mesh, PartitionSpec(*[None] * axis, FSDP_AXIS))
        name = jax.tree_util.keystr(path)
        _LOGGER.warning("%s %s is replicated: no axis is a multiple of %d devices", name, leaf.shape, devices)
        return replicated(mesh)

    return jax.tree_util.tree_map_with_path(leaf_sharding, tree)
