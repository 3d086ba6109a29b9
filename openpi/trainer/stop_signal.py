"""Ctrl-C during training: the first asks for an orderly end, the second ends at once."""

import os
import signal
import sys
from types import FrameType
from typing import Self

from openpi.trainer import distributed

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopSignal:
    """While it is entered (from the main thread), SIGINT and SIGTERM set `received` instead of ending the program.

    Attributes:
      received: the signal's number, or 0.
    """

    def __init__(self, processes: distributed.Processes = distributed.ALONE, first_step: int = 0) -> None:
        """Args:
        processes: all of them end after the same step when one has received a signal.
        first_step: that will be run.
        """
        self.received = 0
        self._previous = {}
        self._agreement = processes.stop_agreement(lambda: self.received, first_step)

    def __enter__(self) -> Self:
        self._previous = {number: signal.signal(number, self._handle) for number in _SIGNALS}
        return self

    def __exit__(self, *exc_info: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def after(self, step: int) -> bool:
        """Whether `step`, which has begun, is to be the last. Ask after each step, once."""
        return bool(self.received) if self._agreement is None else self._agreement.after(step)

    @property
    def exit_code(self) -> int:
        """As a shell reports a program that the signal ended; 0 if there was none."""
        number = self.received if self._agreement is None else self._agreement.signal
        return 128 + number if number else 0

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self.received:
            # Not sys.exit: threads that still write would keep the program alive. A half-written checkpoint doesn't count.
            os.write(sys.stderr.fileno(), b"\nstopped at once; the last complete checkpoint remains\n")
            os._exit(128 + number)
        self.received = number
        os.write(sys.stderr.fileno(), b"\nfinishing this step and saving; once more to stop at once\n")
