import jax
import numpy as np
import pytest

from openpi.models import microbatch


@pytest.mark.parametrize("axis", [0, 1])
def test_parts_share_out_the_batch(axis):
    batch = np.moveaxis(np.arange(24).reshape(12, 2), 0, axis)
    pick = jax.jit(lambda index: microbatch.Microbatch(index, 3).of(batch, axis))
    parts = [np.moveaxis(pick(index), axis, 0) for index in range(3)]
    assert [part.shape for part in parts] == [(4, 2)] * 3
    np.testing.assert_array_equal(np.stack(parts, axis=1).reshape(12, 2), np.moveaxis(batch, axis, 0))
    assert microbatch.Microbatch(0, 3).total(4) == 12


def test_keys_and_the_whole():
    keys = jax.random.split(jax.random.key(0), 6)
    assert (microbatch.Microbatch(1, 2).of(keys) == keys[1::2]).all()
    assert microbatch.WHOLE.of(keys) is keys
