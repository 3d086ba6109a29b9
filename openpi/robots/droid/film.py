"""Films a rollout as the policy sees it, and keeps a picture of its first views."""

from __future__ import annotations

import fractions
import pathlib
from typing import Any

import av
import numpy as np
from PIL import Image

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
        self._container: Any = None
        self._stream: Any = None

    def on_episode_start(self) -> None:
        """Nothing is written before there is a picture."""

    def on_step(self, observation: dict, action: dict) -> None:
        if self._container is None:
            pictures = [observation[name] for name in _VIEWS]
            Image.fromarray(np.concatenate(pictures, axis=1)).save(self._views)
            self._open(*pictures[0].shape[:2])
        frame = av.VideoFrame.from_ndarray(observation[_VIEWS[0]], format="rgb24")
        self._container.mux(self._stream.encode(frame))

    def on_episode_end(self) -> None:
        if self._container is None:
            return
        self._container.mux(self._stream.encode(None))
        self._container.close()
        self._container = None

    def _open(self, rows: int, columns: int) -> None:
        self._container = av.open(str(self.video), "w", format="mp4")
        self._stream = self._container.add_stream("libx264", rate=fractions.Fraction(_FPS))
        self._stream.height, self._stream.width = rows, columns
        self._stream.pix_fmt = "yuv420p"
