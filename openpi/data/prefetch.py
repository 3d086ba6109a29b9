"""Moves batches to the device in the background, and measures how long training waits for data."""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Generic, Protocol, Self, TypeVar

Batch = TypeVar("Batch")
Placed = TypeVar("Placed")


class Batches(Protocol[Batch]):
    """What a `loader.Loader` is."""

    def __next__(self) -> Batch: ...

    def get_state(self) -> dict[str, Any]: ...


class Prefetcher(Iterator[Placed], Generic[Batch, Placed]):
    """Gives `put(batch)` of the batches, in order, a few of them ahead of their use.

    An exception of the batches or of `put` is raised by `next`, after the batches before it. Close it when done (or use
    it in a `with`); the batches' own iterator is left open.
    """

    def __init__(self, batches: Batches[Batch], put: Callable[[Batch], Placed], *, size: int = 2) -> None:
        """Args:
        batches: read by the background thread only, until `close`.
        put: called by that thread; may return before the copy is done, as jax.device_put does.
        size: results that wait at most.
        """
        self._batches, self._put = batches, put
        self._queue: queue.Queue[tuple[str, Any, Any]] = queue.Queue(maxsize=size)
        self._stop = threading.Event()
        self._state = batches.get_state()
        self._end: tuple[str, Any] | None = None
        self._wait_seconds = 0.0
        self._thread = threading.Thread(target=self._run, name="prefetch", daemon=True)
        self._thread.start()

    @property
    def wait_seconds(self) -> float:
        """How long `next` has waited so far, in all."""
        return self._wait_seconds

    def __next__(self) -> Placed:
        start = time.perf_counter()
        while self._end is None:
            if self._stop.is_set():
                raise RuntimeError("this prefetcher is closed")
            try:
                kind, value, state = self._queue.get(
                    timeout=0.1
                )  # looks up now and then: `close` may come from outside
            except queue.Empty:
                continue
            self._wait_seconds += time.perf_counter() - start
            if kind == "batch":
                self._state = state
                return value
            self._end = kind, value
        kind, value = self._end
        raise value if kind == "error" else StopIteration

    def get_state(self) -> dict[str, Any]:
        """The batches' state after the last one that `next` returned: those only read ahead do not count."""
        return self._state

    def close(self) -> None:
        """Stops the thread and forgets what it read ahead. Safe to call twice."""
        self._stop.set()
        self._thread.join()
        while not self._queue.empty():  # lets go of device memory
            self._queue.get_nowait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                try:
                    batch = next(self._batches)
                except StopIteration:
                    return self._offer("end", None, None)
                self._offer("batch", self._put(batch), self._batches.get_state())
        except BaseException as error:  # noqa: BLE001  handed to the thread that asks for the batch
            self._offer("error", error, None)

    def _offer(self, kind: str, value: Any, state: Any) -> None:
        while not self._stop.is_set():
            try:
                return self._queue.put((kind, value, state), timeout=0.1)
            except queue.Full:
                continue
