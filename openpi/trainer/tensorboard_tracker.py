"""Metrics and pictures as TensorBoard events."""

import pathlib
from collections.abc import Mapping

import numpy as np
import PIL.Image
import tensorboardX


class TensorboardTracker:
    """Writes `<directory>/events.out.tfevents.*`.

    Args:
      directory: the run; it exists.
      resume_step: the first step that will be written; events of earlier writers from it on are hidden.
    """

    def __init__(self, directory: pathlib.Path, *, resume_step: int = 0) -> None:
        purge = resume_step if resume_step > 0 else None
        self._events = tensorboardX.SummaryWriter(str(directory), purge_step=purge, write_to_disk=True)

    def metrics(self, step: int, metrics: Mapping[str, float]) -> None:
        """Adds finite values; they are on disk when this returns."""
        for name, value in metrics.items():
            self._events.add_scalar(name, value, step)
        self._events.flush()

    def picture(self, step: int, name: str, path: pathlib.Path) -> None:
        """Adds a PNG file."""
        with PIL.Image.open(path) as image:
            self._events.add_image(name, np.asarray(image.convert("RGB")), step, dataformats="HWC")
        self._events.flush()

    def close(self) -> None:
        self._events.close()
