"""Films each episode of the runtime, as the published simulation program does."""

from __future__ import annotations

import os
import pathlib
import re
from collections.abc import Callable

import numpy as np

from openpi.robots.video import video_file
from openpi.runtime import subscriber

_NAME = re.compile(r"out_(\d{1,9})\.mp4")


class VideoSaver(subscriber.Subscriber):
    """Writes out_<n>.mp4 into a folder, n being the next number that is free. Episodes that break off are filmed, too."""

    def __init__(
        self,
        out_dir: str | os.PathLike[str],
        picture: Callable[[dict], np.ndarray],
        *,
        fps: float = 50,
        subsample: int = 1,
    ) -> None:
        """Films episodes.

        Args:
          out_dir: the folder; it is made with the first film.
          picture: gives the frame, uint8 [H, W, 3], of an observation.
          fps: steps a second.
          subsample: every such step is a frame; the film still runs at the speed of the episode.
        """
        if subsample < 1:
            raise ValueError(f"subsample={subsample} must be at least 1")
        self._out_dir, self._picture = pathlib.Path(out_dir), picture
        self._fps, self._subsample = fps / subsample, subsample
        self._file: video_file.VideoFile | None = None
        self._steps = 0
        self.path: pathlib.Path | None = None  # of the film of the last episode, or of the running one

    def on_episode_start(self) -> None:
        numbers = [int(match[1]) for match in map(_NAME.fullmatch, _names(self._out_dir)) if match]
        self.path = self._out_dir / f"out_{max(numbers, default=-1) + 1}.mp4"
        self._file, self._steps = video_file.VideoFile(self.path, self._fps), 0

    def on_step(self, observation: dict, action: dict) -> None:
        if self._steps % self._subsample == 0:
            assert self._file is not None
            self._file.add(self._picture(observation))
        self._steps += 1

    def on_episode_end(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _names(folder: pathlib.Path) -> list[str]:
    return [path.name for path in folder.iterdir()] if folder.is_dir() else []
