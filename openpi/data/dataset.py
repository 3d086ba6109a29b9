"""What the loader and everything else that reads data need of a dataset."""

from typing import Any, Protocol, runtime_checkable

import numpy as np

Sample = dict[str, Any]


class Episodes(Protocol):
    """The rows of each episode: `start` (int64 [E]) up to `stop` (int64 [E])."""

    @property
    def start(self) -> np.ndarray: ...

    @property
    def stop(self) -> np.ndarray: ...


class Dataset(Protocol):
    """Random access to frames."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample:
        """One frame: images uint8 [3, H, W], numbers, action chunks [H, A] beside `<key>_is_pad` [H], `task` a str."""


class Recorded(Dataset, Protocol):
    """A dataset of recorded episodes: its numbers may be read for many frames at once."""

    @property
    def fps(self) -> float: ...

    @property
    def tasks(self) -> Any:
        """The instructions: a sequence of str."""

    @property
    def episodes(self) -> Episodes: ...

    def read_tables(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """What the items at `rows` (int64 [n]) hold without images and texts, stacked: [n, ...]."""


@runtime_checkable
class Sampled(Protocol):
    """A dataset whose items are drawn at random in part (which camera, which instruction)."""

    def sample(self, index: int, rng: np.random.Generator) -> Sample:
        """One frame, as `rng` draws it."""
