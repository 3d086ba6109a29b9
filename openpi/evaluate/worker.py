"""A process that plays episodes against a policy server, as it is told on standard input.

Lines of JSON both ways: first what to play with, then one episode a line, each answered by a line before the next. It ends
with its input, in the middle of an episode too: who started it is gone then, be it by SIGKILL.
"""

import dataclasses
import json
import os
import queue
import sys
import threading
from collections.abc import Iterator
from typing import Any, TextIO

from openpi.client import websocket_client_policy
from openpi.evaluate import episode, player


@dataclasses.dataclass(frozen=True, kw_only=True)
class Server:
    """Where a policy server answers."""

    host: str
    port: int
    connect_timeout: float


def first_line(plan: player.Plan, server: Server) -> str:
    """What a worker is told first."""
    return json.dumps({"plan": dataclasses.asdict(plan), "server": dataclasses.asdict(server)}) + "\n"


def main() -> None:
    """Plays until there is no more to play."""
    # Nothing that a library prints gets among the answers.
    with os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8") as answers:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        try:
            _play(sys.stdin, answers)
        except BrokenPipeError:
            os._exit(1)  # Who asked is gone, and closing the pipe would fail once more.


def _play(asked: TextIO, answers: TextIO) -> None:
    told = json.loads(asked.readline())
    plan, server = player.Plan(**told["plan"]), Server(**told["server"])
    try:
        with (
            websocket_client_policy.WebsocketClientPolicy(
                server.host, server.port, connect_timeout=server.connect_timeout
            ) as policy,
            player.Player(plan, policy) as one,
        ):
            for line in _until_the_end(asked):
                task, number = json.loads(line)
                _answer(answers, {"episode": episode.to_json(one.play(task, number))})
    except (ValueError, OSError, RuntimeError) as error:
        _answer(answers, {"error": " ".join(str(error).split())})


def _until_the_end(asked: TextIO) -> Iterator[str]:
    """Yields lines as they come; ends the process if their end comes while one is being worked on."""
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    busy = threading.Event()

    def read() -> None:
        for line in asked:
            lines.put(line)
        if busy.is_set():
            os._exit(1)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    while (line := lines.get()) is not None:
        busy.set()
        yield line
        busy.clear()


def _answer(answers: TextIO, content: dict[str, Any]) -> None:
    answers.write(json.dumps(content, allow_nan=False) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
