"""The tables of a dataset in memory, over the episodes that are fit for use."""

import logging
import pathlib
from collections.abc import Mapping

import numpy as np

from openpi.data.lerobot import columns as lerobot_columns
from openpi.data.lerobot import episodes as lerobot_episodes
from openpi.data.lerobot import info as lerobot_info

_logger = logging.getLogger(__name__)
_SHOWN = 3  # reasons in the log
_HINT = "config.data.skip_bad_episodes=True leaves bad episodes out"


class Tables:
    """`columns` are the frames of `episodes`; `skipped` tells the episodes left out: number -> why."""

    def __init__(
        self,
        root: pathlib.Path,
        episodes: lerobot_episodes.Episodes,
        features: Mapping[str, lerobot_info.Feature],
        *,
        skip_bad: bool,
    ) -> None:
        """Reads the columns of `features`, those of images aside.

        Args:
          root: of the dataset, for messages.
          episodes: all of it.
          features: the index columns included.
          skip_bad: leave bad episodes out rather than raise.

        Raises:
          FileNotFoundError: a file is missing.
          ValueError: a file cannot be read, or has not what the metadata says.
        """
        self._root, self._skip_bad = root, skip_bad
        self.episodes = episodes
        self.skipped: dict[int, str] = {}
        read = {key: feature for key, feature in features.items() if key != "index" and not feature.is_image}
        images = [key for key, feature in features.items() if feature.dtype == "image"]
        self.columns, problems = lerobot_columns.load(read, episodes, images)
        self._settle(problems)

    def leave_out(self, problems: lerobot_columns.Problems) -> None:
        """Raises the first of the problems, or takes the episodes that have one out of the tables."""
        if problems:
            lengths, bad = self.episodes.length, np.isin(np.arange(len(self.episodes)), list(problems))
            self._settle(problems)
            self.columns = {key: column[np.repeat(~bad, lengths)] for key, column in self.columns.items()}

    def finish(self) -> None:
        """Numbers rows and episodes by their places, freezes the columns, and logs what was left out."""
        places = np.arange(len(self.episodes))
        self.columns["episode_index"] = np.repeat(places, self.episodes.length)
        self.columns["index"] = np.arange(self.episodes.stop[-1])
        for column in self.columns.values():
            column.flags.writeable = False
        if self.skipped:
            reasons = list(self.skipped.values())
            more = f"; and {len(reasons) - _SHOWN} more" if len(reasons) > _SHOWN else ""
            _logger.warning(
                "dataset %s: left out %d of %d episodes: %s%s",
                self._root,
                len(reasons),
                len(reasons) + len(self.episodes),
                "; ".join(reasons[:_SHOWN]),
                more,
            )

    def _settle(self, problems: lerobot_columns.Problems) -> None:
        if not problems:
            return
        first = min(problems)
        if not self._skip_bad:
            hint = f" ({_HINT})" if len(problems) < len(self.episodes) else ""
            raise type(problems[first])(f"{problems[first]}{hint}")
        if len(problems) == len(self.episodes):
            raise ValueError(f"dataset {self._root} has no good episode left; {problems[first]}")
        self.skipped |= {int(self.episodes.index[place]): str(error) for place, error in sorted(problems.items())}
        self.episodes = self.episodes.select(~np.isin(np.arange(len(self.episodes)), list(problems)))
