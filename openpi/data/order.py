"""The order of training: which row of which dataset stands at a position of an endless stream of samples.

It depends on the datasets' lengths, the weights and the seed alone, and any position is found at once, so that a reader
may begin anywhere.
"""

import math
from collections.abc import Sequence
from fractions import Fraction

import grain
import numpy as np


class Order:
    """Positions 0, 1, 2, ... → (dataset, row).

    The datasets take turns by their weights: of the first n positions a dataset has its share to within the number of
    datasets. Each gives all of its rows once, in an order of their own, before any of them again.
    """

    def __init__(
        self, lengths: Sequence[int], weights: Sequence[float] = (1.0,), *, seed: int, shuffle: bool = True
    ) -> None:
        """Args:
          lengths: rows of each dataset.
          weights: of each, relative to one another.
          seed: of the shuffles.
          shuffle: False keeps the rows' order.

        Raises:
          ValueError: a dataset is empty, or a weight is not positive and finite.
        """
        if not lengths or len(lengths) != len(weights) or min(lengths) < 1:
            raise ValueError(
                f"datasets of {list(lengths)} rows with the weights {list(weights)}: each needs rows and one"
            )
        self.shares = shares(weights)
        # Of each dataset, its share of what the datasets before it leave.
        left = [sum(self.shares[number:], Fraction(0)) for number in range(len(self.shares))]
        self._ratios = [share / rest for share, rest in zip(self.shares, left, strict=True)]
        self._rows = []
        for number, length in enumerate(lengths):
            rows = grain.MapDataset.range(length).seed(seed if len(lengths) == 1 else _seed(seed, number))
            self._rows.append((rows.shuffle() if shuffle else rows).repeat())

    def __getitem__(self, position: int) -> tuple[int, int]:
        """(number of the dataset, row of it)."""
        for number, rows in enumerate(self._rows[:-1]):
            # Its turns among the positions that those before it left are spread as evenly as can be.
            before = _turns(position, self._ratios[number])
            if _turns(position + 1, self._ratios[number]) > before:
                return number, rows[before]
            position -= before
        return len(self._rows) - 1, self._rows[-1][position]


def shares(weights: Sequence[float]) -> list[Fraction]:
    """The weights' parts of their sum, exactly. Raises ValueError if one is not positive and finite."""
    for weight in weights:
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not (0 < weight < math.inf):
            raise ValueError(f"a weight is {weight!r}, and must be a positive number: {list(weights)}")
    exact = [Fraction(weight) for weight in weights]
    return [weight / sum(exact) for weight in exact]


def _turns(positions: int, share: Fraction) -> int:
    return (2 * positions * share.numerator + share.denominator) // (2 * share.denominator)  # rounded


def _seed(seed: int, number: int) -> int:
    return int(np.random.SeedSequence((seed, number)).generate_state(1)[0])
