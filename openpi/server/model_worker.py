"""The one thread that runs the model, so that the event loop never does."""

import asyncio
import concurrent.futures
import queue
import threading
import time

from openpi.client import base_policy


class ModelWorker:
    """Runs a policy's inferences one at a time, in order of arrival, on a thread of its own.

    The thread is a daemon: an inference that never ends (a compilation, say) cannot keep the process from exiting.
    """

    def __init__(self, policy: base_policy.BasePolicy):
        self._policy = policy
        self._jobs: queue.SimpleQueue = queue.SimpleQueue()
        threading.Thread(target=self._run, name="model", daemon=True).start()

    async def infer(self, observation: dict) -> tuple[dict, float]:
        """Returns the policy's result for `observation` and the milliseconds that took, waiting excluded.

        Raises:
          Exception: whatever the policy raises.
        """
        future: concurrent.futures.Future = concurrent.futures.Future()
        self._jobs.put((observation, future))
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Ends the thread after the inferences that are queued already."""
        self._jobs.put(None)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            observation, future = job
            if not future.set_running_or_notify_cancel():
                continue
            try:
                start = time.perf_counter()
                result = self._policy.infer(observation)
                future.set_result((result, (time.perf_counter() - start) * 1000))
            except Exception as error:  # noqa: BLE001 (the waiting session gets it)
                future.set_exception(error)
            except BaseException as error:  # noqa: BLE001 (SystemExit, say: thread and event loop must live on)
                future.set_exception(RuntimeError(f"the policy raised {error!r}"))
            del job, observation, future  # Nothing of this request stays alive while waiting for the next.
