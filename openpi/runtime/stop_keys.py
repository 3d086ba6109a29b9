"""A key of the terminal stops the robot: e, the space bar or Esc."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import sys
import termios
import threading
import tty
from collections.abc import Iterator

from openpi.runtime import emergency_stop

_logger = logging.getLogger(__name__)

KEYS = {b"e": "e", b"E": "e", b" ": "space", b"\x1b": "Esc"}


@contextlib.contextmanager
def watch(stop: emergency_stop.EmergencyStop, terminal: int | None = None) -> Iterator[bool]:
    """Trips `stop` when one of the keys is pressed, while the block runs.

    The terminal gives keys as they are pressed and shows none meanwhile; Ctrl-C works as ever. A thread reads them.

    Args:
      stop: what is tripped.
      terminal: its file descriptor; None: standard input.

    Yields:
      whether there is a terminal to read: without one, nothing is watched.
    """
    descriptor = _standard_input() if terminal is None else terminal
    if descriptor is None or not os.isatty(descriptor):
        _logger.warning("No terminal: no key stops the robot, Ctrl-C alone does (it goes home)")
        yield False
        return
    saved = termios.tcgetattr(descriptor)
    end, done = os.pipe()
    thread = threading.Thread(target=_read, args=(stop, descriptor, end), name="stop_keys")
    tty.setcbreak(descriptor)
    thread.start()
    try:
        yield True
    finally:
        os.close(done)
        thread.join()
        os.close(end)
        termios.tcsetattr(descriptor, termios.TCSADRAIN, saved)


def _standard_input() -> int | None:
    try:
        return sys.stdin.fileno()
    except (AttributeError, OSError, ValueError):  # it is closed, or no file
        return None


def _read(stop: emergency_stop.EmergencyStop, descriptor: int, end: int) -> None:
    while True:
        ready, _, _ = select.select([descriptor, end], [], [])
        if end in ready:
            return
        try:
            key = os.read(descriptor, 1)
        except OSError:
            key = b""
        if not key:
            stop.trip("the terminal with the stop keys is gone")
            return
        if key in KEYS:
            stop.trip(f"key {KEYS[key]} was pressed")
