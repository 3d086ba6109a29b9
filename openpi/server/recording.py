"""Keeps what clients ask and what they are answered in files of bounded size, beside the serving and never in its way."""

import collections
import datetime
import fcntl
import io
import logging
import pathlib
import threading
import time
from typing import Any

from openpi.server import metrics, record_file

_logger = logging.getLogger(__name__)
_FILES = 8  # that the room is shared among: the oldest eighth goes when it is full
_MAX_WAITING_BYTES = 64 * 2**20


class Recording:
    """A folder of `record_file`s, written by a thread of its own.

    What the disk does not take in time is dropped and counted. An error of the disk ends the recording with one warning; the
    server goes on. Only files that a recording has written are ever removed, the oldest first.
    """

    def __init__(
        self,
        folder: str | pathlib.Path,
        *,
        max_bytes: int,
        recorder: metrics.Metrics,
        config_name: str = "",
        max_waiting_bytes: int = _MAX_WAITING_BYTES,
    ):
        """Starts the thread.

        Args:
          folder: where the files go; it is made.
          max_bytes: of all recordings in the folder together, those of earlier servers included.
          recorder: counts what is written and what is dropped.
          config_name: name of the policy's configuration.
          max_waiting_bytes: of what waits to be written.

        Raises:
          OSError: nothing can be written there.
          ValueError: another server records there.
        """
        self._folder = pathlib.Path(folder)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(self._folder)
        self._max_bytes = max_bytes
        self._recorder = recorder
        self._config_name = config_name
        self._max_waiting_bytes = max_waiting_bytes
        # Names sort as the servers that write here one after the other, those of one second too.
        self._name = f"{datetime.datetime.now(datetime.UTC):%Y%m%d-%H%M%S-%f}"
        self._sizes = {path: path.stat().st_size for path in sorted(self._folder.glob(f"*{record_file.SUFFIX}"))}
        self._count = 0
        self._file: io.FileIO | None = None
        self._path = self._folder
        self._written: record_file.Header | None = None  # in the present file
        self._header = record_file.Header(metadata={}, checkpoint="", config_name=config_name, started=time.time())
        self._waiting: collections.deque[tuple[record_file.Header, record_file.Record]] = collections.deque()
        self._waiting_bytes = 0
        self._changed = threading.Condition()
        self._closed = self._failed = False
        self._thread = threading.Thread(target=self._run, name="recording", daemon=True)
        self._thread.start()

    def begin(self, metadata: dict[str, Any], checkpoint: str) -> None:
        """What is added from now on was answered by this policy: it goes to a new file."""
        self._header = record_file.Header(
            metadata=metadata, checkpoint=checkpoint, config_name=self._config_name, started=time.time()
        )

    def add(self, record: record_file.Record) -> None:
        """Hands a record to the thread, or drops it. Returns at once."""
        size = len(record.message) + len(record.reply)
        with self._changed:
            if not self._failed and not self._closed and self._waiting_bytes + size <= self._max_waiting_bytes:
                self._waiting.append((self._header, record))
                self._waiting_bytes += size
                self._changed.notify()
                return
        self._recorder.count_recorded("dropped")

    def close(self, seconds: float = 5.0) -> None:
        """Writes what waits, for so long at the most, and ends the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(seconds)

    def _run(self) -> None:
        while taken := self._next():
            header, record = taken
            try:
                self._recorder.count_recorded("written" if self._write(header, record) else "dropped")
            except OSError as error:
                _logger.warning(
                    "the recording ends, serving goes on: %s: %s", self._path, error.strerror or type(error).__name__
                )
                self._give_up()
                break
            del taken, header, record  # Nothing of it stays alive while waiting for the next.
        if self._file:
            self._file.close()
        self._lock.close()

    def _next(self) -> tuple[record_file.Header, record_file.Record] | None:
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            if not self._waiting:
                return None
            header, record = self._waiting.popleft()
            self._waiting_bytes -= len(record.message) + len(record.reply)
            return header, record

    def _give_up(self) -> None:
        with self._changed:
            self._failed = True
            dropped, self._waiting_bytes = 1 + len(self._waiting), 0
            self._waiting.clear()
        for _ in range(dropped):
            self._recorder.count_recorded("dropped")

    def _write(self, header: record_file.Header, record: record_file.Record) -> bool:
        """Returns whether there is room for the record at all."""
        content, beginning = record_file.pack(record), record_file.begin(header)
        if len(beginning) + len(content) > self._max_bytes:
            return False
        full = self._sizes.get(self._path, 0) + len(content) > self._max_bytes // _FILES
        if self._file is None or header is not self._written or full:
            self._make_room(len(beginning) + len(content))
            self._open(header)
            self._put(beginning)
        else:
            self._make_room(len(content))
        self._put(content)
        return True

    def _make_room(self, size: int) -> None:
        while sum(self._sizes.values()) + size > self._max_bytes:
            oldest = next(iter(self._sizes))
            oldest.unlink(missing_ok=True)
            del self._sizes[oldest]

    def _open(self, header: record_file.Header) -> None:
        if self._file:
            self._file.close()
        self._count += 1
        self._path = self._folder / f"{self._name}-{self._count:06d}{record_file.SUFFIX}"
        self._file = io.FileIO(self._path, "xb")
        self._written = header
        self._sizes[self._path] = 0

    def _put(self, content: bytes) -> None:
        """Hands all of it to the kernel, so that it is kept whatever becomes of this process."""
        assert self._file
        view = memoryview(content)
        while view:
            count = self._file.write(view) or 0
            self._sizes[self._path] += count
            view = view[count:]


def _lock(folder: pathlib.Path) -> io.FileIO:
    """Holds the folder for this process, as long as the file is open."""
    held = io.FileIO(folder / "lock", "ab")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        held.close()
        raise ValueError(f"another server records to {folder}; give this one another --record=DIR") from None
    return held
