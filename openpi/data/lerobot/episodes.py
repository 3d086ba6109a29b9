"""Where the episodes of a dataset lie: in its rows, in its parquet files, in its videos."""

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Self

import numpy as np


@dataclasses.dataclass(frozen=True)
class VideoSpans:
    """Where each episode lies in the videos of one camera."""

    files: tuple[str, ...]
    file: np.ndarray  # int64 [E], into `files`
    from_timestamp: np.ndarray  # float64 [E], seconds from the start of the file

    def path(self, episode: int) -> pathlib.Path:
        return pathlib.Path(self.files[self.file[episode]])


@dataclasses.dataclass(frozen=True)
class Episodes:
    """The episodes in order: rows `start[e]` to `stop[e]` (exclusive) of the dataset."""

    start: np.ndarray  # int64 [E]
    stop: np.ndarray  # int64 [E]
    index: np.ndarray  # int64 [E], their numbers in the dataset's files: not 0, 1, ... once bad ones are left out
    files: tuple[str, ...]  # parquet files of frames
    file: np.ndarray  # int64 [E], into `files`
    file_row: np.ndarray  # int64 [E], the row of the episode's first frame in its file
    videos: Mapping[str, VideoSpans]  # camera -> its videos

    def __len__(self) -> int:
        return len(self.start)

    @property
    def length(self) -> np.ndarray:
        """Frames of each episode: int64 [E]."""
        return self.stop - self.start

    def of_row(self, row: int) -> int:
        """The episode that holds a row."""
        return int(np.searchsorted(self.stop, row, side="right"))

    def name(self, row: int) -> str:
        """How messages call a row: `episode 3, frame 17`, by the numbers of the dataset's files."""
        episode = self.of_row(row)
        return f"episode {self.index[episode]}, frame {row - self.start[episode]}"

    def select(self, keep: np.ndarray) -> Self:
        """Only the episodes at these places (bool [E]), their rows counted anew from 0."""
        stop = np.cumsum(self.length[keep])
        spans = {
            key: VideoSpans(span.files, span.file[keep], span.from_timestamp[keep]) for key, span in self.videos.items()
        }
        return dataclasses.replace(
            self,
            start=stop - self.length[keep],
            stop=stop,
            index=self.index[keep],
            file=self.file[keep],
            file_row=self.file_row[keep],
            videos=spans,
        )
