import threading
import time

import jax
import numpy as np
import pytest

from openpi.data import prefetch


class Batches:
    """Counts up to `count`, `seconds` each; then ends, or raises `error`."""

    def __init__(self, count, seconds=0.0, error=None):
        self.count, self.seconds, self.error, self.position = count, seconds, error, 0

    def __next__(self):
        time.sleep(self.seconds)
        if self.position == self.count:
            raise self.error or StopIteration
        self.position += 1
        return np.full(2, self.position - 1)

    def get_state(self):
        return {"next": self.position}


def test_batches_are_put_in_order():
    with prefetch.Prefetcher(Batches(5), jax.device_put) as batches:
        placed = list(batches)
    assert all(isinstance(batch, jax.Array) for batch in placed)
    assert [int(batch[0]) for batch in placed] == [0, 1, 2, 3, 4]
    with pytest.raises(StopIteration):
        next(batches)


def test_only_a_few_are_read_ahead_and_the_state_is_the_users():
    source = Batches(100)
    with prefetch.Prefetcher(source, lambda batch: batch, size=2) as batches:
        assert batches.get_state() == {"next": 0}
        for n in range(3):
            assert next(batches)[0] == n and batches.get_state() == {"next": n + 1}
        most = 3 + 2 + 1  # two wait, a third is in the thread's hand
        deadline = time.monotonic() + 10
        while source.position < most and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.2)
        assert source.position == most


def test_waiting_is_measured():
    with prefetch.Prefetcher(Batches(3, seconds=0.2), lambda batch: batch) as slow:
        list(slow)
    assert 0.5 < slow.wait_seconds < 5.0
    with prefetch.Prefetcher(Batches(3), lambda batch: batch) as quick:
        for _ in range(3):
            time.sleep(0.1)
            next(quick)
    assert quick.wait_seconds < 0.2  # of the 0.3 that went by


def test_an_error_of_the_batches_comes_after_the_good_ones():
    with prefetch.Prefetcher(Batches(2, error=ValueError("episode 3 is broken")), lambda batch: batch) as batches:
        assert [next(batches)[0], next(batches)[0]] == [0, 1]
        for _ in range(2):
            with pytest.raises(ValueError, match="episode 3 is broken"):
                next(batches)


def test_an_error_of_put_reaches_the_user():
    def put(batch):
        raise RuntimeError("out of device memory")

    with prefetch.Prefetcher(Batches(2), put) as batches, pytest.raises(RuntimeError, match="out of device memory"):
        next(batches)


def test_close_ends_the_thread_whatever_it_does():
    before = threading.active_count()
    full = prefetch.Prefetcher(Batches(100), lambda batch: batch)
    unread = prefetch.Prefetcher(Batches(100, seconds=0.05), lambda batch: batch)
    failed = prefetch.Prefetcher(Batches(0, error=ValueError("x")), lambda batch: batch)
    for batches in (full, unread, failed):
        batches.close()
        batches.close()
        with pytest.raises(RuntimeError, match="closed"):
            next(batches)
    assert threading.active_count() == before


def test_closing_from_outside_ends_a_wait():
    batches = prefetch.Prefetcher(Batches(1, seconds=1.0), lambda batch: batch)
    closer = threading.Timer(0.2, batches.close)
    closer.start()
    with pytest.raises(RuntimeError, match="closed"):
        while True:
            next(batches)
    closer.join()
