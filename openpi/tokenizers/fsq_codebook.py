"""Finite scalar quantization: a vector in [-1, 1] as one token, a digit a dimension."""

import math
from collections.abc import Sequence

import numpy as np

# Bins of each dimension by the number of tokens that was aimed at (2 to the power of the key). "custom" is what the network
# uses; "lfq" (lookup-free quantization) has two bins in each of log2 dimensions.
_BINS: dict[str, dict[int, tuple[int, ...]]] = {
    "custom": {8: (16, 16), 10: (32, 32), 12: (64, 64), 14: (128, 128), 16: (256, 256)},
    "fsq": {8: (8, 6, 5), 10: (8, 5, 5, 5), 12: (7, 5, 5, 5, 5), 14: (8, 8, 8, 6, 5), 16: (8, 8, 8, 5, 5, 5)},
    "lfq": {bits: (2,) * bits for bits in (8, 10, 12, 14, 16)},
}


def bins_per_dim(target_size: int, kind: str = "custom") -> tuple[int, ...]:
    """Returns the bins of each dimension for about `target_size` tokens, of the set `kind`.

    Raises:
      ValueError: there is no such codebook.
    """
    sizes = {2**bits: bins for bits, bins in _BINS[kind].items()}
    if target_size not in sizes:
        raise ValueError(f"there is no {kind} codebook of {target_size} tokens, only of {', '.join(map(str, sizes))}")
    return sizes[target_size]


def place_values(bins: Sequence[int]) -> tuple[int, ...]:
    """Returns what a digit of each dimension counts: the first is the lowest."""
    return tuple(math.prod(bins[:i]) for i in range(len(bins)))


def encode(z: np.ndarray, bins: Sequence[int]) -> np.ndarray:
    """Rounds each number to its nearest bin.

    Args:
      z: float [..., n] in [-1, 1].
      bins: n.

    Returns:
      Tokens int32 [...].
    """
    digits = np.rint((z + 1) * (np.array(bins, z.dtype) - 1) / 2).astype(np.int32)
    return (digits * np.array(place_values(bins), np.int32)).sum(-1, dtype=np.int32)


def decode(tokens: np.ndarray, bins: Sequence[int]) -> np.ndarray:
    """Returns the middle of each token's bins, float32 [..., n] in [-1, 1]. Tokens beyond the codebook wrap around."""
    digits = tokens[..., None] // np.array(place_values(bins)) % np.array(bins)
    return (digits / (np.array(bins) - 1) * 2 - 1).astype(np.float32)
