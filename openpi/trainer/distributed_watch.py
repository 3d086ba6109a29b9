"""Every process looks after the others: when one fails or falls silent, the rest end with a line, and do not hang.

In the store, `alive/P` is a number that process P raises twice a second, and `failed` is why somebody ended.
"""

import contextlib
import os
import re
import threading
import time
from collections.abc import Callable

from openpi.cli import program
from openpi.trainer import distributed_store

INTERVAL_S = 0.5
_LINGER_S = 5.0  # how long process 0, which holds the store, waits for the others to read why it failed
_MAX_TEXT = 2000
# What collectives and barriers say when another process is gone: the cause is there, and not here.
_LOST = re.compile(
    r"Gloo|NCCL|nccl|UNAVAILABLE|DEADLINE_EXCEEDED|[Bb]arrier|heartbeat|[Cc]onnection (reset|closed)|coordination service"
)
_GONE = "gone"


class Watch:
    """Looks in the background, from `start` to `stop`."""

    def __init__(
        self,
        store: distributed_store.Store,
        index: int,
        count: int,
        *,
        silence_s: float,
        say: Callable[[str], None] = program.say_error,
        end: Callable[[int], None] = os._exit,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Args:
        store: shared by the processes.
        index: this process.
        count: of processes.
        silence_s: a process that has not been heard of for so long has failed.
        say: called with a line when another process has failed.
        end: called with an exit code after that.
        clock: seconds.
        """
        self._store, self._index, self._count, self._silence_s = store, index, count, silence_s
        self._say, self._end, self._clock = say, end, clock
        self._listeners: list[Callable[[dict[str, str]], None]] = []
        self._beats = 0
        self._heard = dict.fromkeys(range(count), ("", clock()))
        self._speaks = threading.Lock()  # taken for good by who says why this process ends
        self._stopped = threading.Event()
        self._alone_in_failing = False
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def listen(self, listener: Callable[[dict[str, str]], None]) -> None:
        """Has `listener` called with the store's content at every look."""
        self._listeners.append(listener)

    def ignore_failures(self) -> None:
        """This process fails by itself: it is not to end because another one did."""
        self._alone_in_failing = True

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """No one looks any more."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self) -> None:
        """One look at the others."""
        self._beats += 1
        self._store.set(f"alive/{self._index}", str(self._beats))
        entries = self._store.read()
        if "failed" in entries and not self._alone_in_failing:
            who, _, text = entries["failed"].partition(" ")
            self._end_with(f"process {who} of {self._count} failed, and this one, {self._index}, ends too: {text}")
        now = self._clock()
        for other in range(self._count):
            beat = entries.get(f"alive/{other}", "")
            if beat != self._heard[other][0]:
                self._heard[other] = beat, now
            elif now - self._heard[other][1] > self._silence_s and other != self._index:
                self._end_with(
                    f"process {other} of {self._count} has not been heard of for {self._silence_s:g} s: it was killed, or its "
                    f"machine or network is down; this one, {self._index}, ends too"
                )
        for listener in self._listeners:
            listener(entries)

    def fail(self, error: BaseException) -> None:
        """Tells the others that this process ends because of `error`. It is left to say so here, and then to call `leave`.

        Does not return if another process is the cause: then this one ends with a line about that.
        """
        text = " ".join(str(error).split()) or type(error).__name__
        lost = bool(_LOST.search(text))
        time.sleep((self._silence_s if lost else 0) + 4 * INTERVAL_S)  # the watch may know who failed first
        if not self._speaks.acquire(blocking=False):
            time.sleep(_LINGER_S * 2)  # the watch speaks, and ends the program
        self._stopped.set()
        with contextlib.suppress(RuntimeError):  # no store any more
            self._store.set("failed", f"{self._index} {text[:_MAX_TEXT]}")

    def leave(self, code: int) -> None:
        """Ends this process. Process 0, which holds the store, waits until the others have seen in it why they end."""
        deadline, now = time.monotonic() + _LINGER_S, self._clock()
        others = [other for other in range(1, self._count) if now - self._heard[other][1] <= self._silence_s]
        with contextlib.suppress(RuntimeError):  # no store any more
            self._store.set(f"alive/{self._index}", _GONE)
            while self._index == 0 and time.monotonic() < deadline:
                entries = self._store.read()
                if all(entries.get(f"alive/{other}") == _GONE for other in others):
                    break
                time.sleep(INTERVAL_S / 5)
        self._end(code)

    def _run(self) -> None:
        while not self._stopped.wait(INTERVAL_S):
            try:
                self.look()
            except RuntimeError as error:
                if not self._stopped.is_set():
                    self._end_with(
                        f"process 0 of {self._count}, the coordinator, is gone: {' '.join(str(error).split())}"
                    )
                return

    def _end_with(self, line: str) -> None:
        if not self._speaks.acquire(blocking=False):
            return
        self._say(line)
        self.leave(1)
