"""Colour pictures of an Intel RealSense camera."""

from __future__ import annotations

from typing import Any

import numpy as np

ROWS, COLUMNS = 480, 640
_HZ = 30
_FRAME_MILLISECONDS = 1000


class RealSenseCamera:
    """An open camera."""

    def __init__(self, library: Any, serial: str) -> None:
        """Starts it.

        Args:
          library: the module pyrealsense2.
          serial: its number, as `rs-enumerate-devices` prints it.

        Raises:
          RuntimeError: no such camera is there.
        """
        self._serial = serial
        self._pipeline = library.pipeline()
        config = library.config()
        config.enable_device(serial)
        config.enable_stream(library.stream.color, COLUMNS, ROWS, library.format.rgb8, _HZ)
        try:
            self._pipeline.start(config)
        except RuntimeError as error:
            raise RuntimeError(
                f"the RealSense camera {serial} does not start ({error}): rs-enumerate-devices lists those that are there"
            ) from error

    def read(self) -> np.ndarray:
        """The next picture, uint8 [480, 640, 3] RGB. Raises RuntimeError if none comes within a second."""
        try:
            frame = self._pipeline.wait_for_frames(_FRAME_MILLISECONDS).get_color_frame()
        except RuntimeError as error:
            raise RuntimeError(f"no picture comes from the RealSense camera {self._serial}: {error}") from error
        return np.array(frame.get_data(), dtype=np.uint8)

    def close(self) -> None:
        self._pipeline.stop()
