"""A dataset's rows, block by block over all processors, with a bar on a terminal. Stops at once when it is told to."""

import concurrent.futures
import os
import sys
import threading
from collections.abc import Callable, Iterator

import numpy as np
import tqdm

_STEP = 16  # rows at a time: a few megabytes of images


class Progress:
    """What a block's work tells of itself."""

    def __init__(self, bar: tqdm.tqdm) -> None:
        self._bar, self._lock, self.stop = bar, threading.Lock(), threading.Event()

    def steps(self, start: int, stop: int) -> Iterator[np.ndarray]:
        """The rows of a block, some at a time (int64 [n]); raises InterruptedError once another block has failed."""
        for first in range(start, stop, _STEP):
            if self.stop.is_set():
                raise InterruptedError("another block failed")
            rows = np.arange(first, min(first + _STEP, stop))
            yield rows
            with self._lock:
                self._bar.update(len(rows))


def run(num_rows: int, block: int, work: Callable[[int, int, Progress], None], what: str) -> None:
    """Calls `work(start, stop, progress)` for all blocks, in threads.

    Args:
      num_rows: of the dataset.
      block: rows of a block at the most.
      work: goes through the rows with `progress.steps`.
      what: the bar's text.

    Raises:
      What a `work` or Ctrl-C raises, when no thread works any more.
    """
    with (
        tqdm.tqdm(total=num_rows, desc=what, unit="frame", disable=not sys.stderr.isatty()) as bar,
        concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool,
    ):
        progress = Progress(bar)
        try:
            blocks = [
                pool.submit(work, start, min(start + block, num_rows), progress) for start in range(0, num_rows, block)
            ]
            for done in concurrent.futures.as_completed(blocks):
                done.result()
        except BaseException:
            progress.stop.set()
            pool.shutdown(cancel_futures=True)
            raise
