"""What a FAST action codec does to the chunks of a dataset, in figures."""

import dataclasses
import sys
from typing import Self

import numpy as np
import tqdm

from openpi.tokenizers import fast_codec


@dataclasses.dataclass(frozen=True)
class Figures:
    """Attributes:
    chunks, horizon, dim: how many chunks of H actions of D numbers there are.
    tokens: the codec's.
    mean_tokens, max_tokens: of a chunk.
    max_error: the largest difference between a number and what comes back, in normalized units.
    """

    chunks: int
    horizon: int
    dim: int
    tokens: int
    mean_tokens: float
    max_tokens: int
    max_error: float

    @classmethod
    def measure(cls, codec: fast_codec.FastCodec, chunks: np.ndarray) -> Self:
        """Encodes and decodes float [N, H, D]; a bar is shown on a terminal."""
        count, horizon, dim = chunks.shape
        lengths, error = [], 0.0
        for chunk in tqdm.tqdm(chunks, desc="measure", unit="chunk", disable=not sys.stderr.isatty()):
            ids = codec.encode(chunk)
            lengths.append(len(ids[0]))
            decoded = codec.decode(ids, time_horizon=horizon, action_dim=dim)
            error = max(error, float(np.abs(decoded - chunk).max()))
        return cls(
            chunks=count,
            horizon=horizon,
            dim=dim,
            tokens=codec.bpe.get_vocab_size(),
            mean_tokens=float(np.mean(lengths)),
            max_tokens=max(lengths),
            max_error=error,
        )

    @property
    def compression(self) -> float:
        """Numbers of a chunk a token."""
        return self.horizon * self.dim / self.mean_tokens

    def render(self) -> str:
        """The figures as text for people."""
        return "\n".join(
            [
                f"chunks                {self.chunks} of {self.horizon} actions × {self.dim}",
                f"tokens of the codec   {self.tokens}",
                f"tokens of a chunk     {self.mean_tokens:.1f} on average, {self.max_tokens} at most",
                f"compression           {self.compression:.2f} numbers a token",
                f"reconstruction error  {self.max_error:.4f} at most, in normalized units",
            ]
        )
