"""Log-probabilities of tokens under a large vocabulary, a few positions at a time."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def token_log_probs(
    encoded: Float[Array, "B T D"],
    table: Float[Array, "V D"],
    tokens: Int[Array, "B T"],
    *,
    chunk: int = 32,
) -> Float[Array, "B T"]:
    """`log_softmax(encoded @ table.T)` at `tokens`, float32.

    Logits exist for `chunk` positions at a time, in the backward pass too, which computes them again: [B, T, V] is
    never in memory. The chunk changes no number. Logits are in the promoted dtype of `encoded` and `table`, as those
    that tokens are decoded from; the log-softmax is float32.
    """

    @jax.checkpoint
    def at_position(encoded: Float[Array, "B D"], tokens: Int[Array, " B"]) -> Float[Array, " B"]:
        logits = (encoded @ table.T).astype(jnp.float32)
        chosen = jnp.take_along_axis(logits, tokens[:, None], axis=-1)[:, 0]
        return chosen - jax.nn.logsumexp(logits, axis=-1)

    by_position = (jnp.swapaxes(encoded, 0, 1), jnp.swapaxes(tokens, 0, 1))
    log_probs = jax.lax.map(lambda args: at_position(*args), by_position, batch_size=chunk)
    return jnp.swapaxes(log_probs, 0, 1)
