"""Metrics on disk, one JSON object a line, and in trackers, which show them to people."""

import contextlib
import json
import logging
import math
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol, Self

_LOGGER = logging.getLogger("openpi")

FILE_NAME = "metrics.jsonl"


class Tracker(Protocol):
    """Shows a run to people."""

    def metrics(self, step: int, metrics: Mapping[str, float]) -> None:
        """Takes finite values."""

    def picture(self, step: int, name: str, path: pathlib.Path) -> None:
        """Takes a PNG file."""

    def close(self) -> None:
        """Nothing comes any more."""


class MetricsWriter:
    """Writes to `<directory>/metrics.jsonl` and to trackers. Use it as a context manager.

    A disk that is full is no reason to end training: lines wait until there is room, and trackers miss what they cannot take.

    Args:
      directory: the run; it exists.
      resume_step: the first step that will be written. Lines from it on, which an interrupted run wrote after its last
        checkpoint, are dropped.
      trackers: are closed with this.
    """

    def __init__(self, directory: str | pathlib.Path, *, resume_step: int = 0, trackers: Sequence[Tracker] = ()):
        path = pathlib.Path(directory) / FILE_NAME
        _drop_from(path, resume_step)
        self._file = path.open("ab", buffering=0)
        self._waiting = b""  # what the disk did not take yet
        self._complained = False
        self._trackers = trackers

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        """Adds a line `{"step": step, ...}`; it is in the file when this returns. Values that aren't finite become null."""
        finite = {name: float(value) if math.isfinite(value) else None for name, value in metrics.items()}
        self._waiting += (json.dumps({"step": step, **finite}) + "\n").encode()
        with self._patience():
            while self._waiting:
                self._waiting = self._waiting[self._file.write(self._waiting) :]
        for tracker in self._trackers:
            with self._patience():
                tracker.metrics(step, {name: value for name, value in finite.items() if value is not None})

    def picture(self, step: int, name: str, path: pathlib.Path) -> None:
        """Hands a PNG file to the trackers."""
        for tracker in self._trackers:
            with self._patience():
                tracker.picture(step, name, path)

    def close(self) -> None:
        self._file.close()
        for tracker in self._trackers:
            with self._patience():
                tracker.close()

    @contextlib.contextmanager
    def _patience(self) -> Iterator[None]:
        """Says once that something could not be written."""
        try:
            yield
        except OSError as error:
            if not self._complained:
                _LOGGER.warning("metrics cannot be written: %s; training goes on", error)
            self._complained = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


class Nowhere(MetricsWriter):
    """Takes metrics and keeps none: of several processes one writes."""

    def __init__(self) -> None:
        pass

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        pass

    def picture(self, step: int, name: str, path: pathlib.Path) -> None:
        pass

    def close(self) -> None:
        pass


def read(directory: str | pathlib.Path) -> list[dict[str, float | None]]:
    """The lines of a run's metrics, in order; a half-written last line is left out."""
    path = pathlib.Path(directory) / FILE_NAME
    return list(_lines(path)) if path.is_file() else []


def _lines(path: pathlib.Path) -> Iterator[dict[str, float | None]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            with contextlib.suppress(json.JSONDecodeError):
                yield json.loads(line)


def _drop_from(path: pathlib.Path, step: int) -> None:
    if not path.is_file():
        return
    kept = [line for line in _lines(path) if line["step"] < step]
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")
    temporary.replace(path)
