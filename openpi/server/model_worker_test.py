import threading
import time

import numpy as np
import pytest

from openpi.client import base_policy
from openpi.policies import batch_policy
from openpi.server import failure, metrics, model_worker


class _Doubling(batch_policy.BatchPolicy):
    """Doubles `x`; `hold` keeps the first batch until the test lets it go."""

    def __init__(self, factor=2, hold=False):
        self.factor = factor
        self.batches = []
        self.started, self.release = threading.Event(), threading.Event()
        if not hold:
            self.release.set()

    def infer(self, obs):
        raise AssertionError("a policy that batches is asked for batches only")

    def group(self, obs):
        return obs.get("group", 0)

    def infer_batch(self, observations):
        self.started.set()
        assert self.release.wait(20)
        self.batches.append([obs["x"] for obs in observations])
        if any(obs["x"] == "exit" for obs in observations):
            raise SystemExit(3)
        return [
            ValueError("not a number") if isinstance(obs["x"], str) else {"x": self.factor * obs["x"]}
            for obs in observations
        ]


class _OneByOne(base_policy.BasePolicy):
    def infer(self, obs):
        return {"x": obs["x"]}


def _worker(policy, sessions=100, **options):
    worker = model_worker.ModelWorker(policy, **options)
    worker.num_sessions = sessions
    return worker


def _results(futures):
    return [future.result(10).result["x"] for future in futures]


def test_requests_that_gather_during_an_inference_run_together_and_get_their_own_results():
    policy, recorder = _Doubling(hold=True), metrics.Metrics()
    worker = _worker(policy, max_batch_size=4, recorder=recorder)
    first = worker.submit({"x": 0})
    assert policy.started.wait(5)
    later = [worker.submit({"x": x}) for x in range(1, 7)]
    policy.release.set()
    assert _results([first, *later]) == [0, 2, 4, 6, 8, 10, 12]
    assert policy.batches == [[0], [1, 2, 3, 4], [5, 6]]
    assert [future.result().batch_size for future in (first, *later)] == [1, 4, 4, 4, 4, 2, 2]
    assert b"openpi_batch_requests_sum 7.0" in recorder.text()
    assert b'openpi_stage_seconds_count{stage="queue"} 7.0' in recorder.text()


def test_only_one_group_runs_at_a_time_and_nobody_is_passed_over():
    policy = _Doubling(hold=True)
    worker = _worker(policy, max_batch_size=8)
    blocker = worker.submit({"x": 0})
    assert policy.started.wait(5)
    asked = [("a", 1), ("b", 2), ("a", 3), (None, 4), (None, 5), ("b", 6)]
    futures = [worker.submit({"x": x, "group": group}) for group, x in asked]
    policy.release.set()
    assert _results([blocker, *futures]) == [0, 2, 4, 6, 8, 10, 12]
    assert policy.batches == [[0], [1, 3], [2, 6], [4], [5]]


def test_a_batch_waits_for_others_but_not_for_ever_and_not_for_nobody():
    policy = _Doubling()
    worker = _worker(policy, max_batch_size=3, max_delay_ms=20_000.0, sessions=5)
    start = time.monotonic()
    assert _results([worker.submit({"x": x}) for x in range(3)]) == [0, 2, 4]  # full
    worker.num_sessions = 2
    assert _results([worker.submit({"x": x}) for x in range(2)]) == [0, 2]  # nobody else is there
    assert time.monotonic() - start < 10
    assert policy.batches == [[0, 1, 2], [0, 1]]
    worker = _worker(policy, max_batch_size=3, max_delay_ms=300.0, sessions=5)
    start = time.monotonic()
    assert _results([worker.submit({"x": 1})]) == [2]
    assert time.monotonic() - start > 0.25


def test_an_error_of_one_request_is_its_own_and_one_of_all_is_told_to_all():
    policy = _Doubling(hold=True)
    worker = _worker(policy, max_batch_size=4)
    blocker = worker.submit({"x": 0})
    assert policy.started.wait(5)
    bad, good = worker.submit({"x": "bad"}), worker.submit({"x": 1})
    policy.release.set()
    assert _results([blocker, good]) == [0, 2]
    with pytest.raises(ValueError, match="not a number"):
        bad.result(5)
    with pytest.raises(RuntimeError, match=r"the policy raised SystemExit\(3\)"):
        worker.submit({"x": "exit"}).result(5)
    assert _results([worker.submit({"x": 1})]) == [2]


def test_who_has_left_and_who_is_too_late_is_never_run():
    policy = _Doubling(hold=True)
    worker = _worker(policy, max_batch_size=4)
    blocker = worker.submit({"x": 0})
    assert policy.started.wait(5)
    late = worker.submit({"x": 1}, deadline=time.monotonic() + 0.05)
    gone = worker.submit({"x": 2})
    in_time = worker.submit({"x": 3}, deadline=time.monotonic() + 60)
    assert gone.cancel()
    time.sleep(0.1)
    policy.release.set()
    assert _results([blocker, in_time]) == [0, 6]
    with pytest.raises(failure.Refused, match=r"the model was busy for \d{3,} ms") as refused:
        late.result(5)
    assert refused.value.code == "deadline_exceeded"
    assert policy.batches == [[0], [3]]


def test_another_policy_takes_over_between_batches():
    old, new = _Doubling(hold=True), _Doubling(factor=3)
    worker = _worker(old, max_batch_size=4)
    running = worker.submit({"x": 1})
    assert old.started.wait(5)
    waiting = worker.submit({"x": 1})
    worker.swap(new, 4)
    old.release.set()
    assert _results([running, waiting, worker.submit({"x": 2})]) == [2, 3, 6]
    with pytest.raises(TypeError, match="_OneByOne infers one by one; serve it with max_batch_size=1"):
        worker.swap(_OneByOne(), 2)
    worker.swap(_OneByOne(), 1)
    assert _results([worker.submit({"x": 5})]) == [5]


def test_counts_the_requests_that_drew_noise():
    worker = _worker(_Doubling())

    def drawn(x):
        return worker.submit({"x": x}).result(10).drawn

    assert [drawn(1), drawn(1)] == [0, 1]
    with pytest.raises(ValueError, match="not a number"):
        drawn("refused")
    assert drawn(1) == 2
    worker.swap(_Doubling(), 1)
    assert [drawn(1), drawn(1)] == [0, 1]


def test_closing_answers_what_is_queued():
    policy = _Doubling(hold=True)
    worker = _worker(policy, max_batch_size=2, max_delay_ms=60_000.0)
    futures = [worker.submit({"x": x}) for x in (1, 2)]
    assert policy.started.wait(5)
    futures.append(worker.submit({"x": 3}))
    worker.close()
    policy.release.set()
    assert _results(futures) == [2, 4, 6]


def test_many_threads_get_their_own_answers():
    policy, wrong = _Doubling(), []
    worker = _worker(policy, max_batch_size=8, max_delay_ms=1.0, sessions=6)

    def ask(who):
        for i in range(50):
            x = np.float64(who * 1000 + i)
            if worker.submit({"x": x, "group": i % 2}).result(10).result["x"] != 2 * x:
                wrong.append(x)

    threads = [threading.Thread(target=ask, args=(who,)) for who in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert sum(map(len, policy.batches)) == 300
    assert max(map(len, policy.batches)) > 1
