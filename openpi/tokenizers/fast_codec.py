"""The FAST action codec: a chunk's cosine transform, rounded, as characters of a byte-level BPE.

[H, D] → DCT-II along H → × scale, rounded half to even → row-major (all dims of frequency 0, then of 1, …) → one character
each, code point max(coefficient - min_token, 0) → BPE token ids. Source: the FAST paper and the processor published with it.
"""

import logging
from collections.abc import Iterable, Sequence

import numpy as np
import scipy.fft
import tokenizers

_LOGGER = logging.getLogger(__name__)

# Code points from here on are not used: the first are surrogates, no characters; U+FFFD is what BPE decoding puts in the
# place of bytes that are no UTF-8.
_SURROGATES = 0xD800


class FastCodec:
    """Encodes chunks of normalized actions as token ids, and decodes them. Immutable; it can be pickled."""

    def __init__(
        self,
        bpe: tokenizers.Tokenizer,
        *,
        scale: float = 10.0,
        min_token: int = 0,
        vocab_size: int = 1024,
        time_horizon: int | None = None,
        action_dim: int | None = None,
    ) -> None:
        """Arguments, named as in the stored form:

        bpe: the byte-level BPE.
        scale: coefficients are kept to 0.5 / scale.
        min_token: the coefficient of code point 0.
        vocab_size: token ids are below it.
        time_horizon, action_dim: H and D that `decode` assumes when it is not told.
        """
        self.bpe = bpe
        self.scale = scale
        self.min_token = min_token
        self.vocab_size = vocab_size
        self.time_horizon = time_horizon
        self.action_dim = action_dim

    def encode(self, actions: np.ndarray) -> list[list[int]]:
        """Returns the token ids of each chunk.

        Args:
          actions: float [H, D] or [B, H, D], normalized to about [-1, 1].

        Raises:
          ValueError: the array is not so, or holds a value that is not finite or far out of range.
        """
        actions = np.asarray(actions)
        if actions.ndim not in (2, 3) or 0 in actions.shape:
            raise ValueError(f"actions are [H, D] or [B, H, D], and have the shape {actions.shape}")
        batch = actions if actions.ndim == 3 else actions[None]
        return [self.bpe.encode(text(coefficients(chunk, self.scale), self.min_token)).ids for chunk in batch]

    def decode(
        self, tokens: Iterable[Sequence[int]], *, time_horizon: int | None = None, action_dim: int | None = None
    ) -> np.ndarray:
        """Returns the chunks, float64 [B, H, D]; one that is malformed is all zeros, with a warning.

        Malformed: tokens that are none, or that do not spell exactly H × D characters that `encode` could give.

        Args:
          tokens: the token ids of each chunk.
          time_horizon, action_dim: H and D; None means the codec's own.

        Raises:
          ValueError: H or D is given nowhere.
        """
        horizon = self.time_horizon if time_horizon is None else time_horizon
        dim = self.action_dim if action_dim is None else action_dim
        if horizon is None or dim is None:
            raise ValueError("decoding needs time_horizon and action_dim: this codec was stored without them")
        kept = [self._coefficients(ids, horizon, dim) for ids in tokens]
        return scipy.fft.idct(np.reshape(kept, (-1, horizon, dim)) / self.scale, axis=1, norm="ortho")

    def _coefficients(self, ids: Sequence[int], horizon: int, dim: int) -> np.ndarray:
        try:
            characters = self.bpe.decode([int(token) for token in ids])
        except OverflowError:  # a negative id, or one beyond 32 bits
            characters = ""
        points = np.array([ord(character) for character in characters], np.float64)
        if len(points) == horizon * dim and points.max() < _SURROGATES:
            return points + self.min_token
        _LOGGER.warning(
            "FAST tokens that spell %d coefficients, or none, in place of %d × %d: taken as zeros. Tokens: %.200r",
            len(points),
            horizon,
            dim,
            list(ids),
        )
        return np.zeros(horizon * dim)


def coefficients(chunk: np.ndarray, scale: float) -> np.ndarray:
    """Rounded DCT coefficients int64 [H, D] of a chunk [H, D], computed in the chunk's dtype.

    Raises:
      ValueError: the chunk holds a value that is not finite.
    """
    if not np.isfinite(chunk).all():
        raise ValueError("the actions to encode hold a value that is not finite: correct the dataset")
    scaled = np.rint(scipy.fft.dct(chunk, axis=0, norm="ortho") * scale)
    # Beyond any code point, yet within int64; `text` refuses such a value.
    return np.clip(scaled, -1e15, 1e15).astype(np.int64)


def text(rounded: np.ndarray, min_token: int) -> str:
    """Coefficients int [H, D] as H × D characters.

    Raises:
      ValueError: a coefficient is too large to be a character.
    """
    points = np.maximum(rounded.reshape(-1) - min_token, 0)
    if points.max() >= _SURROGATES:
        raise ValueError(
            f"the actions to encode have the scaled DCT coefficient {points.max() + min_token}, beyond what is a character "
            f"({_SURROGATES - 1 + min_token} at most): normalize them to about -1 … 1"
        )
    return "".join(map(chr, points))
