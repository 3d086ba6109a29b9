"""Runs on four CPU devices, which have to be asked for before jax starts."""

import os

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=4"

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import PartitionSpec

from openpi.trainer import sharding, train_step
from openpi.trainer import state as state_lib


@pytest.mark.parametrize(("fsdp_devices", "shape"), [(1, (4, 1)), (2, (2, 2)), (4, (1, 4))])
def test_mesh(fsdp_devices, shape):
    mesh = sharding.make_mesh(fsdp_devices, batch_size=8)
    assert mesh.devices.shape == shape
    batch = jax.device_put(np.zeros((8, 3)), sharding.data(mesh))
    assert {shard.data.shape for shard in batch.addressable_shards} == {(2, 3)}


def test_placing():
    mesh = sharding.make_mesh(2, batch_size=8)
    batch = sharding.put_batch(mesh, {"x": np.arange(8.0), "n": np.arange(8)})
    assert batch["x"].sharding == sharding.data(mesh)
    assert (batch["x"].dtype, batch["n"].dtype) == (jnp.float32, jnp.int32)
    key = sharding.put_everywhere(mesh, jax.random.key(3))
    assert key.sharding == sharding.replicated(mesh)
    assert jax.random.key_data(key).tolist() == jax.random.key_data(jax.random.key(3)).tolist()


def test_what_cannot_be_divided():
    with pytest.raises(ValueError, match=r"config.fsdp_devices=3 .* 4"):
        sharding.make_mesh(3, batch_size=8)
    with pytest.raises(ValueError, match=r"config.batch_size=6 .* 4"):
        sharding.make_mesh(2, batch_size=6)


@pytest.mark.parametrize(
    ("shape", "dtype", "spec"),
    [
        ((1024, 1024), jnp.float32, PartitionSpec("fsdp")),  # exactly 4 MiB
        ((1024, 1024), jnp.bfloat16, PartitionSpec()),  # 2 MiB
        ((1024, 2048), jnp.float32, PartitionSpec(None, "fsdp")),
        ((4096, 257, 3), jnp.float32, PartitionSpec("fsdp")),
        ((1025, 1024), jnp.float32, PartitionSpec(None, "fsdp")),  # the larger axis is odd
        ((1025, 1027), jnp.float32, PartitionSpec()),
        ((2**21,), jnp.float32, PartitionSpec()),
        ((), jnp.int32, PartitionSpec()),
    ],
)
def test_fsdp_rule(shape, dtype, spec):
    leaf = jax.ShapeDtypeStruct(shape, dtype)
    assert sharding.state(sharding.make_mesh(2, 8), leaf).spec == spec
    assert sharding.state(sharding.make_mesh(1, 8), leaf).spec == PartitionSpec()


def test_a_step_is_the_same_however_it_is_spread():
    rng = np.random.default_rng(0)
    params = {"a": {"kernel": rng.normal(size=(1024, 1024)).astype(np.float32) * 0.02}}
    batch = rng.normal(size=(8, 1024)).astype(np.float32)
    loss_fn = lambda params, rng, x, part: jnp.square(jnp.tanh(x @ params["a"]["kernel"]) - x)
    optimizer = optax.adam(1e-3)
    make = lambda: state_lib.create(params, optimizer, frozen="", ema=True)
    want = None
    for fsdp_devices in (1, 2, 4):
        mesh = sharding.make_mesh(fsdp_devices, 8)
        shardings = sharding.state(mesh, jax.eval_shape(make))
        state = jax.jit(make, out_shardings=shardings)()
        assert len({str(shard.index) for shard in state.params["a"]["kernel"].addressable_shards}) == fsdp_devices
        step = jax.jit(
            train_step.make(loss_fn, optimizer, ema_decay=0.9),
            in_shardings=(shardings, sharding.replicated(mesh), sharding.data(mesh)),
            out_shardings=(shardings, sharding.replicated(mesh)),
            donate_argnums=0,
        )
        for _ in range(2):
            state, metrics = step(state, jax.random.key(0), batch)
        got = np.asarray(state.params["a"]["kernel"]), float(metrics["loss"]), float(metrics["grad_norm"])
        want = want or got
        np.testing.assert_allclose(got[0], want[0], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(got[1:], want[1:], rtol=1e-5)
