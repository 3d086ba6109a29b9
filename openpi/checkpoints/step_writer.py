"""Writes the checkpoints of a run in the background, and drops those that are not to be kept.

A step folder gets its name when everything in it is written, and loses it before anything in it is deleted: whatever bears
a step's name is whole, whenever the program is killed. A checkpoint that the disk does not take (it is full, say) is given
up, and training goes on.
"""

import json
import logging
import os
import pathlib
import re
import shutil
import threading
import time
from collections.abc import Iterator

import jax
import orbax.checkpoint as ocp

from openpi.checkpoints import files_handler, layout
from openpi.checkpoints import retention as retention_lib

_LOGGER = logging.getLogger("openpi")
_SAVE_TIMEOUT_S = 7200
_LONG_WAIT_S = 1.0
_SCORE = "score"
_OS_ERROR = re.compile(r"os_error_code='(\d+)'")  # in tensorstore's errors, which are no OSErrors


class StepWriter:
    """Of one run, one checkpoint at a time. Close it before the program ends.

    Attributes:
      directory: the run.
      failure: what is wrong with the last checkpoint: a line, or "" if it was written or still is.
    """

    def __init__(self, directory: pathlib.Path, retention: retention_lib.Retention) -> None:
        self.directory = directory
        self.failure = ""
        self._retention = retention
        self._checkpointer = checkpointer()
        self._thread: threading.Thread | None = None
        self._error: Exception | None = None
        logging.getLogger("absl").addFilter(_not_of_orbax)

    def start(self, step: int, items: ocp.args.Composite, score: float | None) -> None:
        """Begins a checkpoint; returns when its arrays are copied. Waits until the former one is written.

        Args:
          step: names it.
          items: name -> content.
          score: the lower, the better; for `Retention.best`.

        Raises:
          ValueError, RuntimeError: something is wrong with the former one or this one, and it is not the disk.
        """
        began = time.monotonic()
        self.wait_until_finished()
        if (waited := time.monotonic() - began) > _LONG_WAIT_S:
            _LOGGER.info("waited %.1f s for the former checkpoint; a larger config.save_interval would not", waited)
        if self.failure:
            self._sweep()  # once more: threads of the failed one went on for a while
            self.failure = ""
        try:
            facts = None if score is None else {_SCORE: score}
            self._checkpointer.save(self.directory / str(step), args=items, custom_metadata=facts)
        except Exception as error:  # noqa: BLE001  sorted out there
            self._fail(step, error)
            self._raise()
            return
        self._thread = threading.Thread(target=self._finish, args=(step,), name="checkpoint")
        self._thread.start()

    def wait_until_finished(self) -> None:
        """Until nothing is being written any more. Raises as `start`."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._raise()

    def close(self) -> None:
        """Waits, and lets go of threads. Raises as `start`."""
        self.wait_until_finished()
        self._checkpointer.close()
        if self.failure:
            self._sweep()

    def _finish(self, step: int) -> None:
        try:
            self._checkpointer.wait_until_finished()
        except Exception as error:  # noqa: BLE001  sorted out there
            self._fail(step, error)
            return
        if jax.process_index() == 0:
            self._prune()

    def _prune(self) -> None:
        scores = {step: _score(self.directory / str(step)) for step in layout.complete_steps(self.directory)}
        for step in scores.keys() - retention_lib.kept(scores, self._retention):
            try:
                going = self.directory / f"{step}{layout.TEMPORARY_INFIX}-old"
                (self.directory / str(step)).rename(going)
                shutil.rmtree(going)
            except OSError as error:
                _LOGGER.warning("cannot delete the checkpoint of step %d: %s", step, error)

    def _sweep(self) -> None:
        """Deletes what is half written, while nothing is being written."""
        for half in self.directory.glob(f"*{layout.TEMPORARY_INFIX}*"):
            shutil.rmtree(half, ignore_errors=True)

    def _fail(self, step: int, error: Exception) -> None:
        reason = disk_reason(error)
        if not reason or jax.process_count() > 1:  # the other processes wait for this one: no going on
            self._error = error
            return
        self._sweep()
        self._checkpointer = checkpointer()  # the old one remembers its errors
        steps = layout.complete_steps(self.directory)
        last = f"the last is of step {steps[-1]}" if steps else "there is none yet"
        self.failure = f"the checkpoint of step {step} could not be written to {self.directory}: {reason}; {last}"
        _LOGGER.warning("%s; training goes on, and the next one is tried", self.failure)

    def _raise(self) -> None:
        if self._error is not None:
            error, self._error = self._error, None
            raise error


def checkpointer() -> ocp.AsyncCheckpointer:
    """Reads and writes a step folder with the items that `layout` names."""
    handlers: dict[str, ocp.CheckpointHandler] = {
        layout.PARAMS: ocp.PyTreeCheckpointHandler(),
        layout.TRAIN_STATE: ocp.PyTreeCheckpointHandler(),
        layout.ASSETS: files_handler.FilesHandler(),
        layout.CONFIG: files_handler.FilesHandler(),
        layout.DATA_ITERATOR: files_handler.FilesHandler(),
        layout.LOOP: files_handler.FilesHandler(),
    }
    return ocp.AsyncCheckpointer(ocp.CompositeCheckpointHandler(**handlers), timeout_secs=_SAVE_TIMEOUT_S)


def disk_reason(error: BaseException) -> str:
    """What the disk says, if it is the disk that made the error; else ""."""
    for cause in _causes(error):
        if isinstance(cause, OSError):
            return os.strerror(cause.errno) if cause.errno else str(cause)
        if match := _OS_ERROR.search(str(cause)):
            return os.strerror(int(match[1]))
    return ""


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _score(step_dir: pathlib.Path) -> float | None:
    try:
        score = json.loads((step_dir / layout.STEP_MARKER).read_text(encoding="utf-8"))["custom_metadata"][_SCORE]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return float(score) if isinstance(score, int | float) else None


def _not_of_orbax(record: logging.LogRecord) -> bool:
    """Orbax logs the tracebacks of what it raises."""
    return record.levelno < logging.ERROR or "orbax" not in record.pathname
