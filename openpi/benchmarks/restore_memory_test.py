import jax
import jax.numpy as jnp
import numpy as np
import pytest

from openpi.benchmarks import restore_memory
from openpi.checkpoints import restore

SHAPES = {"a/kernel": (64, 512, 1024), "b": (300,)}  # 128 MiB


@pytest.mark.parametrize("chunk_bytes", [None, 4 << 20])
def test_both_ways_restore_the_same(tmp_path, chunk_bytes):
    restore_memory.write(tmp_path, chunk_bytes, SHAPES)
    ours = restore_memory.measure(tmp_path, "openpi")
    theirs = restore_memory.measure(tmp_path, "orbax")
    assert ours["checksum"] == theirs["checksum"]
    # At least the weights in bfloat16 were held, and a wrong unit would show.
    for found in (ours, theirs):
        assert 0.06 < found["peak_gib"] < 1
        assert found["left_gib"] <= found["peak_gib"]
    sharding = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    params = restore_memory.restore_with_orbax(tmp_path, sharding)
    want = restore.restore_params(tmp_path)["a"]["kernel"].astype(jnp.bfloat16)
    np.testing.assert_array_equal(params["a"]["kernel"], want)
