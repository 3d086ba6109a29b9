"""Films a rollout as the policy sees it, and keeps a picture of its first views."""

from __future__ import annotations

import pathlib

import numpy as np
from PIL import Image

from openpi.robots.video import video_file
from openpi.runtime import subscriber

_VIEWS = ("observation/exterior_image_1_left", "observation/wrist_image_left")
_FPS = 10


class Film(subscriber.Subscriber):
    """Writes each episode to `video`; `views` gets both cameras' first pictures side by side.

    Attributes:
      video: the file of the next episode.
    """

    def __init__(self, views: pathlib.Path) -> None:
        self.video = pathlib.Path()
        self._views = views
        self._film: video_file.VideoFile | None = None

    def on_episode_start(self) -> None:
        """Nothing is written before there is a picture."""

    def on_step(self, observation: dict, action: dict) -> None:
        pictures = [observation[name] for name in _VIEWS]
        if self._film is None:
            Image.fromarray(np.concatenate(pictures, axis=1)).save(self._views)
            self._film = video_file.VideoFile(self.video, _FPS)
        self._film.add(pictures[0])

    def on_episode_end(self) -> None:
        if self._film is not None:
            self._film.close()
        self._film = None
