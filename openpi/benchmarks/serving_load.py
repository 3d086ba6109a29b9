"""Clients that ask a policy server as fast as they are answered, all in this thread."""

import asyncio
import time
from collections.abc import Sequence

from websockets.asyncio import client

from openpi.client import msgpack_numpy


async def run(
    port: int, messages: Sequence[bytes], *, clients: int, seconds: float | None = None, requests: int | None = None
) -> int:
    """Asks a server with some clients at once, for some time or as often in all.

    Args:
      port: of a server on this machine.
      messages: packed observations, sent in turn.
      clients: connections; each sends its next observation when it has its reply.
      seconds: when to end.
      requests: after how many to end.

    Returns:
      How many replies came.
    """
    replies = asked = 0
    end = None if seconds is None else time.perf_counter() + seconds

    async def ask(who: int) -> None:
        nonlocal replies, asked
        async with client.connect(f"ws://127.0.0.1:{port}", compression=None, max_size=None) as connection:
            await connection.recv()
            turn = who
            while (end is None or time.perf_counter() < end) and (requests is None or asked < requests):
                asked += 1
                await connection.send(messages[turn % len(messages)])
                reply = await connection.recv()
                if isinstance(reply, str):
                    raise RuntimeError(f"the server failed: {reply}")
                replies += 1
                turn += clients

    await asyncio.gather(*(ask(who) for who in range(clients)))
    return replies


async def latencies(port: int, messages: Sequence[bytes], requests: int) -> tuple[list[float], list[float]]:
    """Asks one request after the other; the reply is decoded.

    Returns:
      Milliseconds of each round trip, and those of the model in it, as the server says.
    """
    trips, inferences = [], []
    async with client.connect(f"ws://127.0.0.1:{port}", compression=None, max_size=None) as connection:
        await connection.recv()
        for turn in range(requests):
            start = time.perf_counter()
            await connection.send(messages[turn % len(messages)])
            reply = msgpack_numpy.unpackb(await connection.recv(decode=False))
            trips.append((time.perf_counter() - start) * 1000)
            inferences.append(reply["server_timing"]["infer_ms"])
    return trips, inferences
