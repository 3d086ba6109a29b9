"""The one thread that runs the model, so that the event loop never does; it answers several sessions with one run."""

import collections
import concurrent.futures
import dataclasses
import threading
import time
from collections.abc import Hashable

from openpi.client import base_policy
from openpi.policies import batch_policy
from openpi.server import failure, metrics


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answer:
    """A policy's result for one observation, and where the time went: milliseconds."""

    result: dict
    queue_ms: float
    infer_ms: float  # of the run of the model that answered it
    batch_size: int
    drawn: int  # requests that the policy had drawn noise for before this one


@dataclasses.dataclass
class _Noise:
    """How many requests one policy has drawn noise for; only the model's thread counts."""

    drawn: int = 0


@dataclasses.dataclass(kw_only=True)
class _Job:
    observation: dict
    group: Hashable | None
    arrived: float
    deadline: float | None
    future: concurrent.futures.Future


class ModelWorker:
    """Runs a policy's inferences on a thread of its own, in order of arrival, those of one group as a batch.

    A batch begins when it is full, when no session is left that could add to it, or when its first request has waited
    `max_delay_ms`. While the model runs, requests gather anyway.

    The thread is a daemon: an inference that never ends (a compilation, say) cannot keep the process from exiting.
    """

    def __init__(
        self,
        policy: base_policy.BasePolicy,
        *,
        max_batch_size: int = 1,
        max_delay_ms: float = 0.0,
        recorder: metrics.Metrics | None = None,
    ):
        """Starts the thread.

        Args:
          policy: called from that thread only.
          max_batch_size: observations of a batch at the most; above 1 the policy must be a `BatchPolicy`.
          max_delay_ms: how long a request waits for others at the most, while the model has nothing to do.
          recorder: counts what happens.
        """
        self._recorder = recorder or metrics.Metrics()
        self._max_delay = max_delay_ms / 1000
        self._jobs: collections.deque[_Job] = collections.deque()
        self._changed = threading.Condition()
        self._closed = False
        self.num_sessions = 0  # who might send a request; only the event loop writes it
        self.swap(policy, max_batch_size)
        threading.Thread(target=self._run, name="model", daemon=True).start()

    def swap(self, policy: base_policy.BasePolicy, max_batch_size: int) -> None:
        """Puts another policy in place of the present one, from the next batch on."""
        if max_batch_size > 1 and not isinstance(policy, batch_policy.BatchPolicy):
            raise TypeError(f"{type(policy).__name__} infers one by one; serve it with max_batch_size=1")
        with self._changed:
            self._policy, self._max_batch_size, self._noise = policy, max_batch_size, _Noise()
            for job in self._jobs:
                job.group = self._group(job.observation)

    def _group(self, observation: dict) -> Hashable | None:
        return self._policy.group(observation) if isinstance(self._policy, batch_policy.BatchPolicy) else None

    def submit(self, observation: dict, deadline: float | None = None) -> "concurrent.futures.Future[Answer]":
        """Queues an observation. Its inference does not begin after `deadline` (`time.monotonic`), or once cancelled.

        The future raises whatever the policy raises, and `failure.Refused` for what has waited too long.
        """
        with self._changed:
            future: concurrent.futures.Future[Answer] = concurrent.futures.Future()
            self._jobs.append(
                _Job(
                    observation=observation,
                    group=self._group(observation),
                    arrived=time.monotonic(),
                    deadline=deadline,
                    future=future,
                )
            )
            self._recorder.queue.set(len(self._jobs))
            self._changed.notify()
        return future

    def close(self) -> None:
        """Ends the thread after the inferences that are queued already."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _run(self) -> None:
        while batch := self._next_batch():
            self._answer(batch)
            del batch  # Nothing of these requests stays alive while waiting for the next.

    def _next_batch(self) -> list[_Job]:
        """Waits for requests that can run together, and takes them; none if there will be no more."""
        with self._changed:
            while True:
                self._drop_unwanted()
                if not self._jobs:
                    if self._closed:
                        return []
                    self._changed.wait()
                    continue
                first = self._jobs[0]
                batch = [
                    job for job in self._jobs if job is first or (first.group is not None and job.group == first.group)
                ]
                patience = first.arrived + self._max_delay - time.monotonic()
                full = first.group is None or len(batch) >= self._max_batch_size
                if not (full or patience <= 0 or len(self._jobs) >= self.num_sessions or self._closed):
                    self._changed.wait(patience)
                    continue
                batch = [job for job in batch[: self._max_batch_size] if job.future.set_running_or_notify_cancel()]
                taken = {id(job) for job in batch}
                self._jobs = collections.deque(job for job in self._jobs if id(job) not in taken)
                self._recorder.queue.set(len(self._jobs))
                if batch:
                    return batch

    def _drop_unwanted(self) -> None:
        """Takes out the requests whose client has left or whose deadline has passed."""
        now = time.monotonic()
        kept: collections.deque[_Job] = collections.deque()
        for job in self._jobs:
            if job.future.cancelled():
                continue
            if job.deadline is not None and now > job.deadline:
                if job.future.set_running_or_notify_cancel():
                    job.future.set_exception(failure.too_late(now - job.arrived))
                continue
            kept.append(job)
        self._jobs = kept

    def _answer(self, batch: list[_Job]) -> None:
        with self._changed:
            policy, noise, start = self._policy, self._noise, time.monotonic()
        outcomes: list[dict | Exception]
        try:
            if isinstance(policy, batch_policy.BatchPolicy):
                outcomes = list(policy.infer_batch([job.observation for job in batch]))
            else:
                outcomes = [policy.infer(job.observation) for job in batch]
        except Exception as error:  # noqa: BLE001 (the waiting sessions get it)
            outcomes = [error] * len(batch)
        except BaseException as error:  # noqa: BLE001 (SystemExit, say: thread and event loop must live on)
            outcomes = [RuntimeError(f"the policy raised {error!r}")] * len(batch)
        seconds = time.monotonic() - start
        self._recorder.batch_size.observe(len(batch))
        self._recorder.stage("infer").observe(seconds)
        for job, outcome in zip(batch, outcomes, strict=True):
            self._recorder.stage("queue").observe(start - job.arrived)
            drawn = noise.drawn
            # What the policy refuses draws none.
            noise.drawn += isinstance(outcome, dict) or failure.is_ours(outcome)
            if isinstance(outcome, Exception):
                job.future.set_exception(outcome)
                continue
            job.future.set_result(
                Answer(
                    result=outcome,
                    queue_ms=(start - job.arrived) * 1000,
                    infer_ms=seconds * 1000,
                    batch_size=len(batch),
                    drawn=drawn,
                )
            )
