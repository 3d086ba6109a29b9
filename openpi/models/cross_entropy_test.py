import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

from openpi.models import cross_entropy

BATCH, LENGTH, WIDTH, VOCAB = 3, 10, 6, 50


def inputs(dtype=np.float32, length=LENGTH, vocab=VOCAB):
    rng = np.random.default_rng(0)
    x, table = rng.normal(size=(BATCH, length, WIDTH)), rng.normal(size=(vocab, WIDTH))
    return jnp.asarray(x, dtype), jnp.asarray(table, dtype), rng.integers(0, vocab, (BATCH, length))


def whole(x, table, tokens):
    """The same with all logits at once."""
    log_probs = jax.nn.log_softmax(x @ table.T)
    return jnp.take_along_axis(log_probs, tokens[..., None], axis=-1)[..., 0]


def gradients(log_probs, x, table, tokens):
    weights = jnp.arange(1.0, 1 + tokens.size).reshape(tokens.shape)
    return jax.grad(lambda x, table: jnp.sum(weights * log_probs(x, table, tokens)), argnums=(0, 1))(x, table)


def values_and_gradients(log_probs):
    run = jax.jit(lambda *args: (log_probs(*args), *gradients(log_probs, *args)))
    return run(*inputs())


def test_values():
    x, table, tokens = inputs()
    logits = np.asarray(x, np.float64) @ np.asarray(table, np.float64).T
    expected = np.take_along_axis(scipy.special.log_softmax(logits, axis=-1), tokens[..., None], axis=-1)[..., 0]
    np.testing.assert_allclose(cross_entropy.token_log_probs(x, table, tokens), expected, rtol=1e-5)


@pytest.mark.parametrize("chunk", [1, 4, 32])
def test_chunk_changes_no_number(chunk):
    chunked = functools.partial(cross_entropy.token_log_probs, chunk=chunk)
    for got, expected in zip(values_and_gradients(chunked), values_and_gradients(whole), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


def test_log_softmax_is_float32_whatever_the_logits():
    x, table, tokens = inputs(jnp.bfloat16)
    got = cross_entropy.token_log_probs(x, table, tokens)
    assert got.dtype == jnp.float32
    rounded = jnp.einsum("BTD,VD->BTV", x, table).astype(jnp.float32)  # bfloat16 logits, as decoding sees them
    expected = jnp.take_along_axis(jax.nn.log_softmax(rounded), tokens[..., None], axis=-1)[..., 0]
    np.testing.assert_allclose(got, expected, atol=0.05)


def test_logits_of_all_positions_are_never_in_memory():
    x, table, tokens = inputs(length=64, vocab=4096)
    logits = 4 * BATCH * 64 * 4096

    def scratch(log_probs):
        """Bytes that the compiled loss and gradients need beside inputs and outputs."""
        compiled = jax.jit(functools.partial(gradients, log_probs)).lower(x, table, tokens).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    assert scratch(whole) >= logits
    assert scratch(functools.partial(cross_entropy.token_log_probs, chunk=4)) < logits / 4
