import math

import pytest

from openpi.server import figures, metrics


def test_what_was_counted_is_told():
    recorder = metrics.Metrics()
    empty = figures.read(recorder)
    assert (empty["ready"], empty["queue"], empty["requests"], empty["batches"]) == (False, 0, {}, {})
    assert empty["stages"]["infer"] == {"count": 0, "mean_ms": None, "p50_ms": None, "p99_ms": None}

    recorder.ready.set(True)
    recorder.queue.set(3)
    for outcome in ("ok", "ok", "queue_full"):
        recorder.count_request(outcome)
    recorder.count_refused_connection("unauthorized")
    recorder.count_reload("failed")
    for size in (1, 1, 8, 12, 100):
        recorder.batch_size.observe(size)
    for seconds in (0.003, 0.004, 0.005):
        recorder.stage("infer").observe(seconds)
    recorder.stage("send").observe(1.0)

    full = figures.read(recorder)
    assert (full["ready"], full["queue"]) == (True, 3)
    assert full["requests"] == {"ok": 2, "queue_full": 1}
    assert full["refused"] == {"unauthorized": 1}
    assert full["reloads"] == {"failed": 1}
    assert full["batches"] == {"1": 2, "8": 1, "16": 1, "more": 1}
    # All three lie between 2 and 5 ms; within a bucket they are taken to lie evenly.
    assert full["stages"]["infer"] == {"count": 3, "mean_ms": 4.0, "p50_ms": 3.5, "p99_ms": 4.97}
    assert full["stages"]["send"]["count"] == 1


@pytest.mark.parametrize(
    ("share", "value"), [(0.25, 0.5), (0.5, 1.0), (0.625, 3.0), (0.75, 4.0), (0.9, 4.0), (1.0, 4.0)]
)
def test_quantiles(share, value):
    """Of 20 values half below 1, none from there to 2, a quarter up to 4, and the rest above, nobody knows where."""
    buckets = [(1.0, 10.0), (2.0, 10.0), (4.0, 15.0), (math.inf, 20.0)]
    assert figures.quantile(buckets, share) == value


def test_an_empty_histogram_has_no_quantiles():
    assert figures.quantile([(1.0, 0.0), (math.inf, 0.0)], 0.5) is None
