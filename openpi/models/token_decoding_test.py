import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from openpi.models import token_decoding

EOS, VOCAB = 1, 7


def scripted(script):
    """A model that wants `script` [B, steps] written, and counts its calls in its state."""
    script = jnp.asarray(script)

    def logits(index):
        return 5.0 * jax.nn.one_hot(script[:, index], VOCAB)

    def step(tokens, state):
        calls, seen = state
        return logits(calls + 1), (calls + 1, seen.at[:, calls].set(tokens))

    return step, logits(0), (jnp.int32(0), jnp.full_like(script, -1))


def decode(script, max_steps=6, temperature=0.0, seed=0):
    step, logits, state = scripted(script)
    run = functools.partial(token_decoding.decode, step, max_steps=max_steps, eos=EOS)
    return run(jax.random.key(seed), logits, state, temperature=temperature)


@pytest.mark.parametrize(
    ("script", "expected", "calls"),
    [
        ([[3, 4, 5, 6, 2, 3]], [[3, 4, 5, 6, 2, 3]], 5),  # no end: to the last step, and no call after it
        ([[3, 1, 5, 6, 2, 3]], [[3, 1, 0, 0, 0, 0]], 1),  # the end is stored, and stops the loop
        ([[1, 4, 5, 6, 2, 3]], [[1, 0, 0, 0, 0, 0]], 0),
        # Each row stops on its own; the loop goes on for the others.
        ([[3, 1, 5, 1, 2, 3], [4, 4, 1, 6, 6, 6], [2, 2, 2, 2, 1, 2]],
         [[3, 1, 0, 0, 0, 0], [4, 4, 1, 0, 0, 0], [2, 2, 2, 2, 1, 0]], 4),
        ([[3, 1, 5, 6, 2, 3], [4, 4, 5, 6, 6, 1]], [[3, 1, 0, 0, 0, 0], [4, 4, 5, 6, 6, 1]], 5),
        ([[0, 0, 1, 6, 2, 3]], [[0, 0, 1, 0, 0, 0]], 2),  # a zero of the model's own is no end
    ],
)  # fmt: skip
def test_rows_end_on_their_own(script, expected, calls):
    tokens, (called, seen) = decode(script)
    np.testing.assert_array_equal(tokens, expected)
    assert tokens.dtype == jnp.int32
    assert called == calls
    np.testing.assert_array_equal(seen[:, :calls], np.array(expected)[:, :calls])  # what the model read


def test_one_step_needs_no_call():
    tokens, (called, _) = decode([[3, 4], [1, 4]], max_steps=1)
    np.testing.assert_array_equal(tokens, [[3], [1]])
    assert called == 0


def test_the_first_of_equals_is_picked():
    logits = jnp.array([[0.0, 2.0, 1.0, 2.0]])
    tokens, _ = token_decoding.decode(
        lambda tokens, state: (logits, state), jax.random.key(0), logits, (), max_steps=1, temperature=0.0, eos=EOS
    )
    assert tokens.tolist() == [[1]]


def test_temperature():
    """Cold: the likeliest tokens. Hot: others too, the same for the same key. One program for all temperatures."""
    step, logits, state = scripted(np.full((4, 6), 3))
    run = jax.jit(
        lambda seed, temperature: token_decoding.decode(
            step, jax.random.key(seed), logits, state, max_steps=6, temperature=temperature, eos=EOS
        )[0]
    )
    for temperature in (-1.0, 0.0, 0.01):
        np.testing.assert_array_equal(run(0, temperature), np.full((4, 6), 3))
    hot, again, other = (run(seed, 100.0) for seed in (0, 0, 1))
    np.testing.assert_array_equal(hot, again)
    assert len(np.unique(hot)) > 3
    assert (hot != other).any()
    assert run._cache_size() == 1


def test_draws_follow_the_softmax():
    logits = jnp.tile(jnp.array([0.0, -1.0, 1.0, 2.0]), (4000, 1))
    tokens, _ = token_decoding.decode(
        lambda tokens, state: (logits, state), jax.random.key(0), logits, (), max_steps=1, temperature=2.0, eos=EOS
    )
    got = np.bincount(tokens[:, 0], minlength=4) / 4000
    np.testing.assert_allclose(got, jax.nn.softmax(logits[0] / 2), atol=0.03)
