"""Restores a generated checkpoint in this process and measures the memory that it takes (Linux)."""

import pathlib
import re
import time
import zlib
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from flax import traverse_util

from openpi.checkpoints import layout, restore

GIB = 1 << 30

# Few arrays hold nearly all of it, as in the real ones. 4.1 GiB in float32; the largest array has 1 GiB.
SHAPES = {
    "PaliGemma/llm/layers/mlp/gating_einsum": (8, 2, 2048, 8192),
    "PaliGemma/llm/layers/mlp/linear": (8, 12288, 2048),
    "PaliGemma/llm/embedder/input_embedding": (100_000, 2048),
    "PaliGemma/img/Transformer/encoderblock/MlpBlock_0/Dense_0/kernel": (27, 1152, 4304),
    "PaliGemma/img/Transformer/encoderblock/MlpBlock_0/Dense_1/kernel": (27, 4304, 1152),
    "PaliGemma/llm/layers/attn/q_einsum/w": (18, 8, 2048, 256),
    "PaliGemma/llm/layers/attn/attn_vec_einsum/w": (18, 8, 256, 2048),
    "PaliGemma/llm/final_norm/scale": (2048,),
    "action_out_proj/kernel": (1024, 32),
}

WAYS = ("openpi", "orbax")


def write(step_dir: pathlib.Path, chunk_bytes: int | None, shapes: dict[str, tuple[int, ...]] = SHAPES) -> None:
    """Writes a checkpoint of random float32 weights.

    Args:
      step_dir: the checkpoint; must not exist.
      chunk_bytes: arrays are stored in pieces of at most so many bytes; None stores each as one piece, as the published
        training does on one device.
      shapes: of the arrays, by path.
    """
    rng = np.random.default_rng(0)
    arrays = {path: rng.standard_normal(shape, dtype=np.float32) for path, shape in shapes.items()}
    item = {layout.PARAMS: restore.append_value(traverse_util.unflatten_dict(arrays, sep="/"))}
    save_args = jax.tree.map(lambda _: ocp.SaveArgs(chunk_byte_size=chunk_bytes), item)
    ocp.PyTreeCheckpointer().save(step_dir / layout.PARAMS, item, save_args=save_args)


def measure(step_dir: pathlib.Path, way: str) -> dict[str, Any]:
    """Restores a checkpoint as bfloat16 onto the first device. Resident memory is beyond what JAX took to start.

    Args:
      step_dir: the checkpoint.
      way: "openpi", or "orbax": as the published code, which leaves it all to Orbax.

    Returns:
      `peak_gib` and `left_gib` of this process, `device_peak_gib` (None where the device doesn't tell), `seconds`, and a
      `checksum` of the weights.
    """
    device = jax.devices()[0]
    jax.block_until_ready(jax.device_put(np.ones(8), device))
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before, began = _resident("VmRSS"), time.monotonic()
    read = restore_with_orbax if way == "orbax" else _restore
    params = jax.block_until_ready(read(step_dir, jax.sharding.SingleDeviceSharding(device)))
    seconds, peak, left = time.monotonic() - began, _resident("VmHWM"), _resident("VmRSS")
    stats = device.memory_stats()
    return {
        "peak_gib": (peak - before) / GIB,
        "left_gib": (left - before) / GIB,
        "device_peak_gib": stats["peak_bytes_in_use"] / GIB if stats else None,
        "seconds": seconds,
        "checksum": _checksum(params),
    }


def restore_with_orbax(step_dir: pathlib.Path, sharding: jax.sharding.Sharding) -> dict[str, Any]:
    """All parameters in bfloat16, as the published code reads them."""
    checkpointer = ocp.PyTreeCheckpointer()
    tree = checkpointer.metadata(step_dir / layout.PARAMS).item_metadata.tree
    args = ocp.args.PyTreeRestore(
        item=tree,
        restore_args=jax.tree.map(lambda _: ocp.ArrayRestoreArgs(sharding=sharding, dtype=jax.numpy.bfloat16), tree),
    )
    return restore.strip_value(checkpointer.restore(step_dir / layout.PARAMS, args=args)[layout.PARAMS])


def _restore(step_dir: pathlib.Path, sharding: jax.sharding.Sharding) -> dict[str, Any]:
    return restore.restore_params(step_dir, dtype=jax.numpy.bfloat16, sharding=sharding)


def _resident(field: str) -> int:
    """Bytes of this process: now (VmRSS) or at most (VmHWM)."""
    status = pathlib.Path("/proc/self/status").read_text()
    return int(re.search(rf"^{field}:\s+(\d+) kB$", status, re.MULTILINE)[1]) * 1024


def _checksum(params: dict[str, Any]) -> int:
    checksum = 0
    for _, leaf in sorted(traverse_util.flatten_dict(params, sep="/").items()):
        checksum = zlib.crc32(np.ascontiguousarray(leaf).view(np.uint16).data, checksum)
    return checksum
