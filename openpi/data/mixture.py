"""Several datasets as one: each has a weight, its share of the samples."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from openpi.data import dataset as dataset_lib
from openpi.data import order


class Episodes(NamedTuple):
    """The rows of each episode: int64 [E] each."""

    start: np.ndarray
    stop: np.ndarray


class Mixture:
    """Datasets behind one another, for random access; the loader draws from them by their weights.

    `parts` are (dataset, share of the samples), shares summing to 1. Row i of the first is row i of the mixture, that of
    the second comes after the first's last. Items keep their own `task`; a `task_index` is of the item's own dataset.
    """

    def __init__(self, parts: Sequence[tuple[dataset_lib.Recorded, float]]) -> None:
        """Args:
          parts: (dataset, weight); weights are relative to one another.

        Raises:
          ValueError: there is none, a weight is not positive and finite, or the datasets differ in fps, or in the names,
            shapes or dtypes of their numbers.
        """
        if not parts:
            raise ValueError("a mixture needs at least one dataset")
        weights = order.shares([weight for _, weight in parts])
        self.parts = [(dataset, float(weight)) for (dataset, _), weight in zip(parts, weights, strict=True)]
        self._starts = np.cumsum([0, *(len(dataset) for dataset, _ in self.parts)])
        first = self.parts[0][0]
        for number, (dataset, _) in enumerate(self.parts[1:], 1):
            if dataset.fps != first.fps:
                raise ValueError(
                    f"the datasets of a mixture differ: the first is of {first.fps:g} fps, number {number} of {dataset.fps:g}; "
                    "record or convert them at one rate"
                )
            _check_same(_kinds(first), _kinds(dataset), number)

    @property
    def fps(self) -> float:
        return self.parts[0][0].fps

    @property
    def tasks(self) -> list[str]:
        """All instructions, each once."""
        return list(dict.fromkeys(task for dataset, _ in self.parts for task in dataset.tasks))

    @property
    def episodes(self) -> Episodes:
        """Of all datasets, in rows of the mixture."""
        starts = self._starts[:-1]
        return Episodes(
            *(
                np.concatenate(
                    [getattr(part.episodes, end) + at for (part, _), at in zip(self.parts, starts, strict=True)]
                )
                for end in ("start", "stop")
            )
        )

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __getitem__(self, index: int) -> dataset_lib.Sample:
        number, row = self._place(index)
        return self.parts[number][0][row]

    def sample(self, index: int, rng: np.random.Generator) -> dataset_lib.Sample:
        """One frame, as `rng` draws it where its dataset draws at all."""
        number, row = self._place(index)
        dataset = self.parts[number][0]
        return dataset.sample(row, rng) if isinstance(dataset, dataset_lib.Sampled) else dataset[row]

    def read_tables(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """What the items at `rows` (int [n]) hold without images and texts, stacked: [n, ...]."""
        numbers = np.searchsorted(self._starts, rows, side="right") - 1
        out: dict[str, np.ndarray] = {}
        for number in np.unique(numbers):
            places = np.flatnonzero(numbers == number)
            tables = self.parts[number][0].read_tables(rows[places] - self._starts[number])
            for key, values in tables.items():
                out.setdefault(key, np.empty((len(rows), *values.shape[1:]), values.dtype))[places] = values
        return out

    def _place(self, index: int) -> tuple[int, int]:
        if not 0 <= index < len(self):
            raise IndexError(f"frame {index} of a mixture of {len(self)} frames")
        number = int(np.searchsorted(self._starts, index, side="right")) - 1
        return number, int(index - self._starts[number])


def _kinds(dataset: dataset_lib.Recorded) -> dict[str, str]:
    tables = dataset.read_tables(np.zeros(1, np.int64))
    return {key: f"{values.dtype}{list(values.shape[1:])}" for key, values in tables.items()}


def _check_same(first: dict[str, str], other: dict[str, str], number: int) -> None:
    for key in sorted(first.keys() | other.keys()):
        if first.get(key) != other.get(key):
            raise ValueError(
                f"the datasets of a mixture differ in {key!r}: the first has {first.get(key, 'none')}, number {number} "
                f"{other.get(key, 'none')}; they need the same features"
            )
