"""The state that stops a robot, whoever sets it: a key, a check, another thread."""

from __future__ import annotations

import logging
import threading

_logger = logging.getLogger(__name__)


class Stopped(RuntimeError):
    """The robot was stopped and holds its position; the text says why."""


class EmergencyStop:
    """Once tripped it stays so: whoever moves the robot calls `check` before each step. For any number of threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reason: str | None = None

    @property
    def reason(self) -> str | None:
        """Why the robot was stopped; None while it was not."""
        return self._reason

    def trip(self, reason: str) -> None:
        """Stops the robot. The first reason is kept."""
        with self._lock:
            if self._reason is not None:
                return
            self._reason = reason
        _logger.warning("Stopped: %s", reason)

    def check(self) -> None:
        """Raises Stopped if the robot was stopped."""
        if self._reason is not None:
            raise Stopped(f"stopped: {self._reason}; the robot holds its position: look at it before you start again")
