"""Metrics and pictures as TensorBoard events."""

import pathlib
import time
from collections.abc import Mapping

import numpy as np
import PIL.Image
from tensorboardX import event_file_writer, summary
from tensorboardX.proto import event_pb2


class TensorboardTracker:
    """Writes `<directory>/events.out.tfevents.*`, in the caller's thread: an error of the disk is the caller's OSError.

    (tensorboardX's own SummaryWriter waits for ever for its thread when that met one.)

    Args:
      directory: the run; it exists.
      resume_step: the first step that will be written; events of earlier writers from it on are hidden.
    """

    def __init__(self, directory: pathlib.Path, *, resume_step: int = 0) -> None:
        self._events = event_file_writer.EventsWriter(str(directory / "events"))
        if resume_step > 0:
            start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
            self._events.write_event(event_pb2.Event(wall_time=time.time(), step=resume_step, session_log=start))

    def metrics(self, step: int, metrics: Mapping[str, float]) -> None:
        """Adds finite values; they are on disk when this returns."""
        for name, value in metrics.items():
            self._add(step, summary.scalar(name, value))
        self._events.flush()

    def picture(self, step: int, name: str, path: pathlib.Path) -> None:
        """Adds a PNG file."""
        with PIL.Image.open(path) as image:
            self._add(step, summary.image(name, np.asarray(image.convert("RGB")), dataformats="HWC"))
        self._events.flush()

    def close(self) -> None:
        self._events.close()

    def _add(self, step: int, content) -> None:
        self._events.write_event(event_pb2.Event(wall_time=time.time(), step=step, summary=content))
