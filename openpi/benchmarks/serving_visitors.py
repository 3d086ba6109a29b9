"""Clients that a policy server must not mind: silent, half-open, never reading; and what its health is meanwhile."""

import asyncio
import contextlib
import http.client
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence

from websockets.asyncio import client

_UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
STARTS = (b"", b"GET / HT", _UPGRADE[:-2], _UPGRADE)
"""How far a half-open client comes: nowhere, into the request, to its end but for a line, into the conversation."""


@contextlib.asynccontextmanager
async def idle(port: int, count: int) -> AsyncIterator[None]:
    """Connections that answer pings and ask nothing while the block runs."""
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(count):
            connection = await stack.enter_async_context(client.connect(f"ws://127.0.0.1:{port}", compression=None))
            await connection.recv()
        yield


async def half_open(port: int, count: int, seconds: float) -> list[float | None]:
    """Opens connections that say a part of what they should, and then nothing any more, not even to a ping.

    Returns:
      After how many seconds each was let go; None for one that was not within `seconds`.
    """

    async def linger(start: bytes) -> float | None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(start)
        begin = time.perf_counter()
        try:
            with contextlib.suppress(ConnectionError):
                async with asyncio.timeout(seconds):
                    while await reader.read(65536):
                        pass
        except TimeoutError:
            return None
        finally:
            writer.close()
        return time.perf_counter() - begin

    return await asyncio.gather(*(linger(STARTS[i % len(STARTS)]) for i in range(count)))


async def never_reading(port: int, count: int, message: bytes, seconds: float) -> list[float | None]:
    """Asks again and again, at a pace that the server can follow, and reads no reply.

    Returns:
      After how many seconds each was let go; None for one that was not within `seconds`.
    """
    loop = asyncio.get_running_loop()
    frame = _frame(message)

    async def press() -> float | None:
        with socket.socket() as raw:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            raw.setblocking(False)
            await loop.sock_connect(raw, ("127.0.0.1", port))
            begin = time.perf_counter()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    try:
                        await loop.sock_sendall(raw, _UPGRADE)
                        while True:
                            await asyncio.sleep(0.02)
                            await loop.sock_sendall(raw, frame)
                    except ConnectionError:
                        return time.perf_counter() - begin
            return None

    return await asyncio.gather(*(press() for _ in range(count)))


def let_go(after: Sequence[float | None]) -> dict[str, float | int | None]:
    """How many clients there were, how many of them the server let go, and when the last."""
    gone = [seconds for seconds in after if seconds is not None]
    return {"clients": len(after), "let_go": len(gone), "last_s": max(gone, default=None)}


class Health:
    """What `/livez` says, asked from a thread several times a second: milliseconds, and how often it said nothing."""

    def __init__(self, port: int):
        """Begins to ask."""
        self.milliseconds: list[float] = []
        self.failures = 0
        self._port = port
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()

    def close(self) -> None:
        """Asks no more."""
        self._stop.set()
        self._thread.join()

    def _ask(self) -> None:
        while not self._stop.wait(0.2):
            start = time.perf_counter()
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
            try:
                connection.request("GET", "/livez")
                if connection.getresponse().status != http.HTTPStatus.OK:
                    self.failures += 1
                self.milliseconds.append((time.perf_counter() - start) * 1000)
            except (OSError, http.client.HTTPException):
                self.failures += 1
            finally:
                connection.close()


@contextlib.contextmanager
def watched(port: int) -> Iterator[Health]:
    """The health of a server while the block runs."""
    health = Health(port)
    try:
        yield health
    finally:
        health.close()


def _frame(message: bytes) -> bytes:
    """A binary frame of less than 64 KiB, under a mask of zeros."""
    return b"\x82\xfe" + len(message).to_bytes(2, "big") + bytes(4) + message
