"""Serves one policy over websockets: metadata first, then observation in, actions out, as published clients speak."""

import asyncio
import logging
import secrets
import signal
import socket
import time
from collections.abc import Callable

from websockets import exceptions
from websockets.asyncio import server

from openpi.client import base_policy, msgpack_numpy
from openpi.server import failure, health, listen_socket, model_worker

_logger = logging.getLogger(__name__)
_SECONDS_TO_CLOSE = 2.0  # How long a client may take to answer the closing handshake.


class WebsocketServer:
    """A websocket server for one policy.

    The event loop only moves bytes: inference runs on the model's own thread, so that health checks and pings are
    answered meanwhile. Clients are served in turn, one inference at a time. Nothing is accepted until `serve` is called:
    warm the policy up before.
    """

    def __init__(
        self,
        policy: base_policy.BasePolicy,
        listener: socket.socket,
        *,
        metadata: dict | None = None,
        max_message_bytes: int = 64 * 2**20,
        drain_seconds: float = 10.0,
    ):
        """Prepares to serve `policy`.

        Args:
          policy: its `infer` is called from one thread only, the server's own.
          listener: a bound TCP socket (`listen_socket.bind`); the server owns it from now on.
          metadata: sent to each client as the first message.
          max_message_bytes: a longer message closes its connection with code 1009.
          drain_seconds: how long inferences that run or wait when the server stops may take to be answered.
        """
        self._worker = model_worker.ModelWorker(policy)
        self._listener = listener
        self._metadata = msgpack_numpy.packb(metadata or {})
        self._max_message_bytes = max_message_bytes
        self._drain_seconds = drain_seconds
        self._busy: set[server.ServerConnection] = set()
        self._stopping = False

    def run(self, on_ready: Callable[[], None] = lambda: None) -> bool:
        """Serves until SIGINT or SIGTERM; call it from the main thread. Returns as `serve` does."""

        async def until_signal() -> bool:
            stop = asyncio.Event()
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, stop.set)
            return await self.serve(stop, on_ready)

        return asyncio.run(until_signal())

    async def serve(self, stop: asyncio.Event, on_ready: Callable[[], None] = lambda: None) -> bool:
        """Serves until `stop` is set, then answers the requests it has taken and closes every connection (code 1001).

        Returns:
          Whether all of that was done within `drain_seconds`; False if an inference still runs.

        Raises:
          OSError: another program began to listen on the port meanwhile; one line.
        """
        host, port = self._listener.getsockname()[:2]
        try:
            running = await server.serve(
                self._session,
                sock=self._listener,
                process_request=health.answer,
                compression=None,
                max_size=self._max_message_bytes,
                max_queue=1,  # The conversation alternates: there is no reason to hold more than one message a client.
                close_timeout=_SECONDS_TO_CLOSE,
                logger=_quiet_logger(),
            )
        except OSError as error:
            self._worker.close()
            self._listener.close()
            raise listen_socket.explain(error, host, port) from None
        on_ready()
        await stop.wait()
        self._stopping = True
        running.close(close_connections=False)
        closing = [asyncio.create_task(idle.close(1001, "server stops")) for idle in running.connections - self._busy]
        try:
            await asyncio.wait_for(running.wait_closed(), self._drain_seconds)
        except TimeoutError:
            _logger.warning("stopped with an inference unfinished after %g s", self._drain_seconds)
            return False
        finally:
            for task in closing:
                task.cancel()
            self._worker.close()
        return True

    async def _session(self, connection: server.ServerConnection) -> None:
        """Serves one client until it leaves, a request of its fails, or the server stops."""
        session = secrets.token_hex(4)
        _logger.info("client %s connected from %s", session, connection.remote_address)
        try:
            await connection.send(self._metadata)
            count, total_ms = 0, None
            while not self._stopping:
                start = time.perf_counter()
                frame = await connection.recv()
                self._busy.add(connection)
                count += 1
                try:
                    reply = await self._answer(frame, total_ms)
                except Exception as error:  # noqa: BLE001 (the client is told, the server lives on)
                    await self._fail(connection, error, f"{session}-{count}")
                    return
                await connection.send(reply)
                self._busy.discard(connection)
                total_ms = (time.perf_counter() - start) * 1000
            await connection.close(1001, "server stops")
        except exceptions.ConnectionClosed as closed:
            _logger.info("client %s left (%s)", session, closed)
        finally:
            self._busy.discard(connection)

    async def _answer(self, frame: str | bytes, prev_total_ms: float | None) -> bytes:
        """Returns the reply to one message: the policy's result and `server_timing`."""
        if isinstance(frame, str):
            raise msgpack_numpy.DecodeError("got a text frame; send observations as binary msgpack frames")
        observation = msgpack_numpy.unpackb(frame)
        if not isinstance(observation, dict):
            raise msgpack_numpy.DecodeError(f"an observation is a dict; got {type(observation).__name__}")
        result, infer_ms = await self._worker.infer(observation)
        timing = {"infer_ms": infer_ms}
        if prev_total_ms is not None:
            timing["prev_total_ms"] = prev_total_ms
        try:
            return msgpack_numpy.packb({**result, "server_timing": timing})
        except (ValueError, TypeError) as error:
            raise RuntimeError("the policy's result cannot be sent") from error

    async def _fail(self, connection: server.ServerConnection, error: Exception, request_id: str) -> None:
        text = failure.describe(error, request_id)
        if failure.is_ours(error):
            _logger.error("request %s failed", request_id, exc_info=error)
        else:
            _logger.warning("request %s refused: %s: %s", request_id, type(error).__name__, error)
        await connection.send(text)
        await connection.close(failure.CLOSE_CODE, failure.CLOSE_REASON)


def _quiet_logger() -> logging.Logger:
    """A logger for the websockets library: failed handshakes of port scanners are not worth a traceback each."""
    logger = logging.getLogger(f"{__name__}.protocol")
    logger.setLevel(logging.CRITICAL)
    return logger
