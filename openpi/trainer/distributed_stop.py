"""A signal to one process ends all of them after the same step.

Asking every step would cost a collective. Instead who gets a signal writes it into the store; each process, when its watch sees
that, writes down which step it has let begin, and begins no other until all have done so; the last of those steps is the last.
"""

import threading
from collections.abc import Callable

from openpi.trainer import distributed_store


class StopAgreement:
    """What the loop asks after every step; `look` is for the process's watch."""

    def __init__(
        self, store: distributed_store.Store, index: int, count: int, received: Callable[[], int], first_step: int
    ) -> None:
        """Args:
        store: shared by the processes.
        index: this process.
        count: of processes.
        received: the signal that this process has got, or 0.
        first_step: that the loop will run.
        """
        self._store, self._index, self._count, self._received = store, index, count, received
        self._lock = threading.Lock()
        self._begun, self._reported = first_step, False
        self._agreed = threading.Event()
        self._last = 0
        self._signal = 0

    @property
    def signal(self) -> int:
        """The signal that all end by, or 0."""
        return self._signal

    def after(self, step: int) -> bool:
        """Whether `step`, which this process has begun, is the last one."""
        with self._lock:
            if not self._reported:
                self._begun = step + 1
                return False
        self._agreed.wait()
        return step >= self._last

    def look(self, entries: dict[str, str]) -> None:
        """Sees what the others want; `entries` are the store's."""
        if self._agreed.is_set():
            return
        if "stop/signal" not in entries:
            if received := self._received():
                self._store.set("stop/signal", str(received))
            return
        with self._lock:
            if not self._reported:
                self._store.set(f"stop/begun/{self._index}", str(self._begun))
                self._reported = True
        begun = [entries[key] for process in range(self._count) if (key := f"stop/begun/{process}") in entries]
        if len(begun) == self._count:
            self._last, self._signal = max(map(int, begun)), int(entries["stop/signal"])
            self._agreed.set()
