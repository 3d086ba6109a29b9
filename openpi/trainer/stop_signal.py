"""Ctrl-C during training: the first asks for an orderly end, the second ends at once."""

import os
import signal
import sys
from types import FrameType
from typing import Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopSignal:
    """While it is entered (from the main thread), SIGINT and SIGTERM set `received` instead of ending the program.

    Attributes:
      received: the signal's number, or 0.
    """

    def __init__(self) -> None:
        self.received = 0
        self._previous = {}

    def __enter__(self) -> Self:
        self._previous = {number: signal.signal(number, self._handle) for number in _SIGNALS}
        return self

    def __exit__(self, *exc_info: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    @property
    def exit_code(self) -> int:
        """As a shell reports a program that the signal ended; 0 if there was none."""
        return 128 + self.received if self.received else 0

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self.received:
            # Not sys.exit: threads that still write would keep the program alive. A half-written checkpoint doesn't count.
            os.write(sys.stderr.fileno(), b"\nstopped at once; the last complete checkpoint remains\n")
            os._exit(128 + number)
        self.received = number
        os.write(sys.stderr.fileno(), b"\nfinishing this step and saving; once more to stop at once\n")
