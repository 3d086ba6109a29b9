"""Where a sample comes from, so that a person can look at it."""

from typing import Any, NamedTuple

import numpy as np

from openpi.data import episode_split


class Origin(NamedTuple):
    """Numbers of the dataset in the mixture, of the episode in the dataset, and of the frame in the episode.

    Where samples are no frames of episodes, `episode` is -1 and `frame` the row.
    """

    dataset: int
    episode: int
    frame: int


def of(number: int, dataset: Any, row: int) -> Origin:
    """The origin of a row of a dataset, which is the mixture's with this number."""
    if not hasattr(dataset, "episodes"):
        return Origin(number, -1, row)
    place = int(np.searchsorted(dataset.episodes.stop, row, side="right"))
    episode = int(episode_split.numbers(dataset)[place])
    return Origin(number, episode, row - int(dataset.episodes.start[place]))


def describe(origins: list[Origin], *, shown: int = 8) -> str:
    """`episode 3 frames 1, 7; episode 5 frame 0`, each dataset and episode once, `shown` frames at most."""
    groups: dict[tuple[int, int], list[int]] = {}
    for origin in origins[:shown]:
        groups.setdefault(origin[:2], []).append(origin.frame)
    several = any(origin.dataset for origin in origins)
    told = []
    for (dataset, episode), frames in groups.items():
        place = f"dataset {dataset} " if several else ""
        place += f"episode {episode} " if episode >= 0 else ""
        told.append(f"{place}{'frame' if len(frames) == 1 else 'frames'} {', '.join(map(str, frames))}")
    more = f"; and {len(origins) - shown} more" if len(origins) > shown else ""
    return "; ".join(told) + more
