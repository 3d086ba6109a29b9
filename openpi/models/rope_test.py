import jax.numpy as jnp
import numpy as np
import pytest

from openpi.models import golden, rope


@pytest.mark.parametrize("case", ["c0", "c1", "c2"])
def test_golden(case):
    arrays = golden.subtree(golden.load("modules/rope"), case)
    got = rope.apply_rope(arrays["x"], arrays["positions"])
    np.testing.assert_allclose(got, arrays["out"], rtol=1e-4, atol=1e-4)
    got = rope.apply_rope(jnp.asarray(arrays["x"], jnp.bfloat16), arrays["positions"])
    assert got.dtype == jnp.bfloat16
    np.testing.assert_allclose(got.astype(np.float32), arrays["out_bf16_input"], rtol=1e-2, atol=1e-2)
    # pi0-FAST takes the result in float32.
    got = rope.apply_rope(jnp.asarray(arrays["x"], jnp.bfloat16).astype(jnp.float32), arrays["positions"])
    np.testing.assert_allclose(got, arrays["out_bf16_input_fast_variant"], rtol=1e-4, atol=1e-4)


def test_dot_products_depend_on_relative_positions_only():
    q, k = np.random.default_rng(0).normal(size=(2, 1, 1, 1, 16)).astype(np.float32)
    dots = [
        np.vdot(rope.apply_rope(q, np.array([[start + 3]])), rope.apply_rope(k, np.array([[start]])))
        for start in (0, 5, 40)
    ]
    np.testing.assert_allclose(dots, dots[0], rtol=1e-4)
    assert abs(dots[0] - np.vdot(q, k)) > 1e-2
