"""What one client has sent and the server has not answered yet: one message under way and one that waits, no more."""

import asyncio
import time
from typing import NamedTuple

from websockets.asyncio import server

from openpi.server import failure


class Message(NamedTuple):
    """A frame, and when it arrived (`time.monotonic`)."""

    frame: str | bytes
    arrived: float


class Inbox:
    """Reads a connection all the time, so that a client that leaves or sends too much is noticed during its inference.

    The conversation alternates. A client may send one observation ahead, which is answered in its turn; with one more its
    conversation ends as `queue_full`. No reply is left out, so the client always knows which observation one belongs to.
    """

    def __init__(self, connection: server.ServerConnection):
        self._waiting: Message | None = None
        self._changed = asyncio.Event()
        self.ended = asyncio.create_task(self._read(connection))
        """Done when nothing more will come; it holds why: `ConnectionClosed`, or `Refused`."""

    async def next(self) -> Message:
        """Returns the next message.

        Raises:
          ConnectionClosed: the client left.
          Refused: it sent too much.
        """
        while self._waiting is None:
            if self.ended.done():
                self.ended.result()
            self._changed.clear()
            await self._changed.wait()
        message, self._waiting = self._waiting, None
        return message

    def close(self) -> None:
        """Stops reading."""
        if not self.ended.cancel() and not self.ended.cancelled():
            self.ended.exception()  # Known, or of no interest any more.

    async def _read(self, connection: server.ServerConnection) -> None:
        try:
            while True:
                frame = await connection.recv()
                if self._waiting is not None:
                    raise failure.queue_full()
                self._waiting = Message(frame, time.monotonic())
                self._changed.set()
        finally:
            self._changed.set()
