"""Episodes that are held out from training, so that one can see what a model makes of what it has not seen.

Which ones follows from the seed and their numbers in the recording alone: it stays when other episodes are left out.
"""

import hashlib
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from openpi.data import dataset as dataset_lib
from openpi.data import mixture


class EpisodeSubset:
    """Some of a dataset's episodes, as a dataset: row 0 is the first row of the first of them."""

    def __init__(self, whole: dataset_lib.Recorded, places: Sequence[int] | np.ndarray) -> None:
        """Args:
          whole: the dataset.
          places: of the episodes in `whole.episodes`, ascending.

        Raises:
          ValueError: there are none, or they are not ascending places of episodes.
        """
        chosen, count = np.asarray(places, np.int64), len(whole.episodes.stop)
        if chosen.ndim != 1 or not len(chosen) or np.any(np.diff(chosen, prepend=-1) <= 0) or chosen[-1] >= count:
            raise ValueError(
                f"episodes {list(places)!s:.80} must be ascending, at least one, and below {count}, the dataset's number"
            )
        self.whole, self.places = whole, chosen
        self._first = np.asarray(whole.episodes.start)[chosen]
        stop = np.cumsum(np.asarray(whole.episodes.stop)[chosen] - self._first)
        self.episodes = mixture.Episodes(np.concatenate([[0], stop[:-1]]), stop)

    @property
    def fps(self) -> float:
        return self.whole.fps

    @property
    def tasks(self) -> Any:
        return self.whole.tasks

    @property
    def decoded(self) -> bool:
        """Whether its images need no decoding any more."""
        return getattr(self.whole, "decoded", False)

    def __len__(self) -> int:
        return int(self.episodes.stop[-1])

    def __getitem__(self, index: int) -> dataset_lib.Sample:
        return self.whole[self.row(index)]

    def sample(self, index: int, rng: np.random.Generator) -> dataset_lib.Sample:
        """One frame, as `rng` draws it where the dataset draws at all."""
        row = self.row(index)
        return self.whole.sample(row, rng) if isinstance(self.whole, dataset_lib.Sampled) else self.whole[row]

    def read_tables(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """What the items at `rows` (int [n]) hold without images and texts, stacked: [n, ...]."""
        rows = np.asarray(rows, np.int64)
        if np.any((rows < 0) | (rows >= len(self))):
            raise IndexError(f"rows must be from 0 to {len(self) - 1}, and are {rows.tolist()!s:.80}")
        episode = np.searchsorted(self.episodes.stop, rows, side="right")
        return self.whole.read_tables(self._first[episode] + rows - self.episodes.start[episode])

    def row(self, index: int) -> int:
        """The row of the whole dataset."""
        if not 0 <= index < len(self):
            raise IndexError(f"frame {index} of {len(self)} frames in {len(self.places)} episodes of a dataset")
        episode = int(np.searchsorted(self.episodes.stop, index, side="right"))
        return int(self._first[episode] + index - self.episodes.start[episode])


def split(
    dataset: dataset_lib.Recorded, *, share: float = 0.0, episodes: Collection[int] = (), seed: int = 0
) -> tuple[dataset_lib.Recorded, dataset_lib.Recorded]:
    """The dataset in two: to train on, and held out. Of a mixture, each of its datasets; the weights stay.

    Args:
      dataset: the dataset.
      share: of the episodes that are held out, as near as there are episodes, but at least one, and one is left.
      episodes: the numbers of those that are, in place of a share; not for a mixture.
      seed: of the choice by share.

    Raises:
      ValueError: a dataset has too few episodes, or not those.
    """
    parts: list[tuple[Any, float]] | None = getattr(dataset, "parts", None)
    if parts is None:
        held = _held_out(dataset, share, episodes, seed)
        if not 0 < np.count_nonzero(held) < len(held):
            raise ValueError(
                f"validation needs an episode to hold out and another to train on, and of the dataset's {len(held)} it would "
                f"hold out {np.count_nonzero(held)}: lower config.validation.share, or set it to 0"
            )
        return EpisodeSubset(dataset, np.flatnonzero(~held)), EpisodeSubset(dataset, np.flatnonzero(held))
    if episodes:
        raise ValueError(
            "config.validation.episodes are numbers of one dataset, and config.data has several: set config.validation.share"
        )
    halves = [split(part, share=share, seed=seed) for part, _ in parts]
    weights = [weight for _, weight in parts]
    train, held_out = (mixture.Mixture(list(zip(half, weights, strict=True))) for half in zip(*halves, strict=True))
    return train, held_out


def numbers(dataset: dataset_lib.Recorded) -> np.ndarray:
    """Of the episodes in the recording, int64 [E]: those that were left out as damaged have one too."""
    if isinstance(dataset, EpisodeSubset):
        return numbers(dataset.whole)[dataset.places]
    skipped = getattr(dataset, "skipped", ())
    return np.setdiff1d(np.arange(len(dataset.episodes.stop) + len(skipped)), list(skipped))


def _held_out(dataset: dataset_lib.Recorded, share: float, episodes: Collection[int], seed: int) -> np.ndarray:
    """Bool [E]."""
    known = numbers(dataset)
    if episodes:
        if unknown := sorted(set(episodes) - set(known.tolist())):
            raise ValueError(
                f"config.validation.episodes names episode {unknown[0]}, and the dataset has {len(known)}, up to {known[-1]}"
            )
        return np.isin(known, list(episodes))
    held = np.zeros(len(known), bool)
    count = min(max(round(share * len(known)), 1), len(known) - 1)
    held[sorted(range(len(known)), key=lambda place: _rank(seed, int(known[place])))[:count]] = True
    return held


def _rank(seed: int, number: int) -> bytes:
    return hashlib.sha256(f"{seed} {number}".encode()).digest()
