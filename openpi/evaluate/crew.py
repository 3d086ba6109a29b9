"""Several processes that play episodes against one policy server, side by side."""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Generator, Sequence

from openpi.evaluate import episode, player, worker

_SECONDS_TO_END = 10.0


def play(
    plan: player.Plan, server: worker.Server, wanted: Sequence[tuple[str, int]], *, size: int
) -> Generator[episode.Episode, None, None]:
    """Yields the wanted episodes as they end; what each is does not depend on the others.

    Args:
      plan: how they are played.
      server: against which server.
      wanted: task and number of each.
      size: processes that play; each has simulators of its own. Closing the generator ends them.

    Raises:
      RuntimeError: an episode could not be played, because of the policy or its server; or a process died.
    """
    todo: queue.SimpleQueue[tuple[str, int] | None] = queue.SimpleQueue()
    done: queue.SimpleQueue[episode.Episode | Exception] = queue.SimpleQueue()
    size = min(size, len(wanted))
    for each in [*wanted, *[None] * size]:
        todo.put(each)
    with contextlib.ExitStack() as stack:
        for _ in range(size):
            process = stack.enter_context(_started())
            threading.Thread(target=_supervise, args=(process, plan, server, todo, done), daemon=True).start()
        for _ in wanted:
            answer = done.get()
            if isinstance(answer, Exception):
                raise answer
            yield answer


@contextlib.contextmanager
def _started() -> Generator[subprocess.Popen[str], None, None]:
    """A worker, which is ended with the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", worker.__name__],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        start_new_session=True,  # Ctrl-C is for the program that started it.
    )
    try:
        yield process
    except BaseException:
        process.kill()
        raise
    finally:
        with contextlib.suppress(OSError):
            process.stdin.close()
        try:
            process.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _supervise(process, plan, server, todo: queue.SimpleQueue, done: queue.SimpleQueue) -> None:
    """Gives a worker episodes until there are no more, in a thread of its own."""
    try:
        process.stdin.write(worker.first_line(plan, server))
        while (asked := todo.get()) is not None:
            done.put(_ask(process, *asked))
    except Exception as error:  # noqa: BLE001 (raised where the answer is awaited)
        done.put(error)


def _ask(process: subprocess.Popen[str], task: str, number: int) -> episode.Episode:
    what = f"episode {number} of {task!r}"
    line = ""
    with contextlib.suppress(OSError, ValueError):  # of a worker that is gone: it left its last words, or its exit code
        process.stdin.write(json.dumps([task, number]) + "\n")
        process.stdin.flush()
    with contextlib.suppress(ValueError):
        line = process.stdout.readline()
    if not line:
        code = process.wait()
        why = f"of {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        raise RuntimeError(f"{what} was not played: its process died {why}")
    answer = json.loads(line)
    if "error" in answer:
        raise RuntimeError(f"{what} was not played: {answer['error']}")
    return episode.from_json(answer["episode"])
