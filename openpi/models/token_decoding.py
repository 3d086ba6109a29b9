"""Picks tokens one by one from an autoregressive model's logits, each row until its end of sequence."""

from collections.abc import Callable
from typing import TypeAlias, TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

State = TypeVar("State")

# From the tokens just picked [B] and the model's state: logits of the next tokens [B, V], and the new state.
Step: TypeAlias = Callable[[Int[Array, " B"], State], tuple[Float[Array, "B V"], State]]


def decode(
    step: Step,
    rng: Key[Array, ""],
    logits: Float[Array, "B V"],
    state: State,
    *,
    max_steps: int,
    temperature: float | Float[Array, ""],
    eos: int,
) -> tuple[Int[Array, "B max_steps"], State]:
    """Tokens of each row up to and including its `eos`, then zeros; stops when all rows are done.

    Args:
        step: the model; called only while a row still wants a token, so at most `max_steps - 1` times.
        rng: consumed, one split a step.
        logits: of the first tokens.
        state: that `step` takes first; a pytree that keeps its shapes.
        max_steps: static.
        temperature: the likeliest token (the first of equals) when not above zero, else drawn from
            `softmax(logits / temperature)`; may be traced.
        eos: the token that ends a row.

    Returns:
        The tokens, int32, and the last state.
    """
    batch = logits.shape[0]

    def place(tokens, done, logits, rng, index):
        """Picks the tokens at `index` of the rows that are not done."""
        rng, pick_rng = jax.random.split(rng)
        picked = jnp.where(done, 0, _pick(pick_rng, logits, temperature))
        tokens = jax.lax.dynamic_update_slice_in_dim(tokens, picked[:, None], index, axis=1)
        return tokens, done | (picked == eos), picked, rng, index + 1

    def unfinished(carry):
        (_, done, _, _, index), _ = carry
        return (index < max_steps) & ~jnp.all(done)

    def body(carry):
        (tokens, done, picked, rng, index), state = carry
        logits, state = step(picked, state)
        return place(tokens, done, logits, rng, index), state

    start = place(jnp.zeros((batch, max_steps), jnp.int32), jnp.zeros(batch, bool), logits, rng, jnp.int32(0))
    (tokens, *_), state = jax.lax.while_loop(unfinished, body, (start, state))
    return tokens, state


def _pick(rng, logits, temperature):
    likeliest = lambda: jnp.argmax(logits, axis=-1).astype(jnp.int32)
    drawn = lambda: jax.random.categorical(rng, logits.astype(jnp.float32) / temperature).astype(jnp.int32)
    return jax.lax.cond(jnp.asarray(temperature) > 0, drawn, likeliest)
