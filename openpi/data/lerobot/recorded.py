"""What the writer hands to the store of a format's version: whole episodes."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import av

from openpi.data.lerobot import feature_stats
from openpi.data.lerobot import info as lerobot_info


@dataclasses.dataclass(frozen=True)
class Episode:
    """One recorded episode, encoded."""

    index: int
    start: int  # row of its first frame in the dataset
    length: int
    task: str
    columns: Mapping[str, Any]  # all but the videos, the index columns included: arrays [T, ...] or lists
    packets: Mapping[str, Sequence[av.Packet]]  # of the videos
    pixels: Mapping[str, feature_stats.PixelHistogram]  # of all images

    def stats(self, features: Mapping[str, lerobot_info.Feature]) -> dict[str, feature_stats.Stats]:
        """Statistics of every feature but texts, in the order of `features`."""
        return {
            key: self.pixels[key].stats() if key in self.pixels else feature_stats.of_values(self.columns[key])
            for key, feature in features.items()
            if feature.dtype != "string"
        }


class Store(Protocol):
    """Puts episodes into files below a folder."""

    def add(self, episode: Episode) -> None:
        """Writes an episode."""

    def finish(self, info: lerobot_info.Info, tasks: Mapping[str, int]) -> None:
        """Writes the metadata, info.json aside, once the files are closed.

        Args:
          info: of the whole dataset.
          tasks: the instructions -> their numbers.
        """

    def close(self) -> None:
        """Closes the files. Safe to call twice."""
