"""A film of one camera, written frame by frame."""

from __future__ import annotations

import fractions
import os
import pathlib

import av
import numpy as np

_OPTIONS = {"crf": "20", "preset": "veryfast"}  # near enough visually lossless


class VideoFile:
    """An mp4 (h264). It stands at `path` once it is closed; until then, and after a kill, beside it as a hidden file."""

    def __init__(self, path: str | os.PathLike[str], fps: float) -> None:
        """Writes nothing yet: the size is that of the first frame."""
        self._path = pathlib.Path(path)
        self._partial = self._path.with_name(f".{self._path.name}.partial")
        self._rate = fractions.Fraction(fps).limit_denominator(1001)
        self._container: av.container.OutputContainer | None = None
        self._num_frames = 0

    def add(self, frame: np.ndarray) -> None:
        """Adds a frame, uint8 [H, W, 3].

        Raises:
          ValueError: it is none, has another size than the first, or odd sizes, which h264 does not take.
        """
        if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
            raise ValueError(f"a frame of {self._path.name} is {frame.dtype} {list(frame.shape)}, not uint8 [H, W, 3]")
        if self._container is None:
            self._open(*frame.shape[:2])
        if frame.shape[:2] != (self._stream.height, self._stream.width):
            raise ValueError(
                f"a frame of {self._path.name} is {frame.shape[0]}x{frame.shape[1]}, after others of "
                f"{self._stream.height}x{self._stream.width}"
            )
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        picture.pts, picture.time_base = self._num_frames, 1 / self._rate
        self._num_frames += 1
        self._container.mux(self._stream.encode(picture))

    def close(self) -> None:
        """Ends the film. Without frames there is none. Safe to call twice."""
        if self._container is None:
            return
        container, self._container = self._container, None
        container.mux(self._stream.encode(None))
        container.close()
        self._partial.replace(self._path)

    def _open(self, height: int, width: int) -> None:
        if height % 2 or width % 2:
            raise ValueError(
                f"frames of {self._path.name} are {height}x{width}, and h264 takes even sizes: crop or pad them"
            )
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._container = av.open(str(self._partial), "w", format="mp4")
        self._stream = self._container.add_stream("libx264", rate=self._rate, options=_OPTIONS)
        self._stream.height, self._stream.width, self._stream.pix_fmt = height, width, "yuv420p"
