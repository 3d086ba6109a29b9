"""Metrics on disk, one JSON object a line, and in trackers, which show them to people."""

import contextlib
import json
import math
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol, Self

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

    Args:
      directory: the run; it exists.
      resume_step: the first step that will be written. Lines from it on, which an interrupted run wrote after its last
        checkpoint, are dropped.
      trackers: are closed with this.
    """

    def __init__(self, directory: str | pathlib.Path, *, resume_step: int = 0, trackers: Sequence[Tracker] = ()):
        path = pathlib.Path(directory) / FILE_NAME
        _drop_from(path, resume_step)
        self._file = path.open("a", encoding="utf-8")
        self._trackers = trackers

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        """Adds a line `{"step": step, ...}`; it is on disk when this returns. Values that aren't finite become null."""
        finite = {name: float(value) if math.isfinite(value) else None for name, value in metrics.items()}
        self._file.write(json.dumps({"step": step, **finite}) + "\n")
        self._file.flush()
        for tracker in self._trackers:
            tracker.metrics(step, {name: value for name, value in finite.items() if value is not None})

    def picture(self, step: int, name: str, path: pathlib.Path) -> None:
        """Hands a PNG file to the trackers."""
        for tracker in self._trackers:
            tracker.picture(step, name, path)

    def close(self) -> None:
        self._file.close()
        for tracker in self._trackers:
            tracker.close()

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
