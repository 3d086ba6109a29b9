"""The noise that a replayed request starts from: the one it had, so that what differs is the policy alone."""

import functools
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from openpi.policies import request_options
from openpi.server import record_file

# How a request was replayed.
GIVEN, RECORDED, SEEDED, DRAWN = "given", "recorded", "seeded", "drawn"
MEANING = {
    GIVEN: "the noise that they brought",
    RECORDED: "the noise that they had when recorded",
    SEEDED: "noise of a fixed seed each, other than when recorded",
    DRAWN: "noise, if any, that the policy drew itself",
}
_MAX_DRAWN = 10**8


class Noise:
    """Says with which noise requests are replayed.

    A policy splits a key off its random state for each request, and starts from `jax.random.key(0)`; a record tells how many
    were split before it. That gives its noise again, whatever was lost between the records, and to any policy of the shape.
    """

    def __init__(self, shape: tuple[int, int] | None):
        """`shape` [H, A] is what the policies that answer take; None: none, or not both the same."""
        self._shape = shape
        self._state = (0, jax.random.key(0))

    def options(
        self,
        index: int,
        record: record_file.Record,
        recorded_shape: tuple[int, int] | None,
        observation: dict[str, Any],
    ) -> tuple[dict[str, Any], str]:
        """The observation to ask with, and how it gets its noise. Its deadline is left out.

        Args:
          index: of the record in the recording, the seed if its noise is not known.
          record: the record.
          recorded_shape: of the noise that the recorded policy took.
          observation: that of the record.
        """
        given = observation.get(request_options.KEY)
        options = (
            {key: value for key, value in given.items() if key != "deadline_ms"} if isinstance(given, dict) else {}
        )
        if options.get("noise") is not None:
            how = GIVEN
        elif self._shape is None or options.get("candidates", 1) != 1:  # several chunks start from as many noises
            how = DRAWN
        elif record.drawn is not None and recorded_shape == self._shape:
            how, options["noise"] = RECORDED, self._recorded(self._shape, record.drawn)
        else:
            how = SEEDED
            options["noise"] = np.random.default_rng(index).standard_normal(self._shape, np.float32)
        rest = {key: value for key, value in observation.items() if key != request_options.KEY}
        return ({**rest, request_options.KEY: options} if options else rest), how

    def _recorded(self, shape: tuple[int, int], drawn: int) -> Float[np.ndarray, "H A"]:
        if not 0 <= drawn <= _MAX_DRAWN:
            raise ValueError(f"a record says that noise was drawn {drawn} times before; it must be 0 to {_MAX_DRAWN}")
        count, rng = self._state
        if drawn < count:
            count, rng = 0, jax.random.key(0)
        self._state = (drawn, _advance(rng, drawn - count))
        return np.asarray(_draw(self._state[1], shape))


@jax.jit
def _advance(rng: jax.Array, count: jax.Array | int) -> jax.Array:
    return jax.lax.fori_loop(0, count, lambda _, key: jax.random.split(key)[0], rng)


@functools.partial(jax.jit, static_argnames="shape")
def _draw(rng: jax.Array, shape: tuple[int, int]) -> jax.Array:
    return jax.random.normal(jax.random.split(rng)[1], (1, *shape))[0]
