"""Serves one policy over websockets: metadata first, then observation in, actions out, as published clients speak."""

import asyncio
import dataclasses
import logging
import signal
import socket
import ssl
from collections.abc import Callable
from typing import Any

from websockets.asyncio import server

from openpi.client import base_policy, msgpack_numpy
from openpi.server import api_keys, front_door, listen_socket, metrics, model_worker, recording, session

_logger = logging.getLogger(__name__)
_SECONDS_TO_CLOSE = 2.0  # How long a client may take to answer the closing handshake.


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """What a server allows.

    Attributes:
      max_batch_size: observations that one run of the model answers at the most; the policy must be warm for them.
      max_delay_ms: how long a request waits for others to run with, while the model has nothing to do.
      max_message_bytes: a longer message closes its connection with code 1009.
      max_sessions: clients at once; further ones are refused with status 503.
      per_session: what one client may do.
      keys: what lets clients in; None lets everybody.
      tls: how to encrypt; None does not.
      record_to: what clients ask and are answered goes there; None keeps nothing.
      open_seconds: how long a client may take to say what it wants, the handshake of TLS apart.
      ping_seconds: a client that answers no ping for twice as long is let go. Pings are answered during an inference.
      drain_seconds: how long inferences that run or wait when the server stops may take to be answered.
    """

    max_batch_size: int = 1
    max_delay_ms: float = 2.0
    max_message_bytes: int = 64 * 2**20
    max_sessions: int = 1000
    per_session: session.Limits = dataclasses.field(default_factory=session.Limits)
    keys: api_keys.ApiKeys | None = None
    tls: ssl.SSLContext | None = None
    record_to: recording.Recording | None = None
    open_seconds: float = 10.0
    ping_seconds: float = 20.0
    drain_seconds: float = 10.0


class WebsocketServer:
    """A websocket server for one policy.

    The event loop only moves bytes: inference runs on the model's own thread, so that health checks and pings are
    answered meanwhile. Requests of several clients that can run together do. Nothing is accepted until `serve` is called:
    warm the policy up before.
    """

    def __init__(
        self,
        policy: base_policy.BasePolicy,
        listener: socket.socket,
        *,
        metadata: dict | None = None,
        source: str = "",
        options: Options = Options(),
        recorder: metrics.Metrics | None = None,
        door: front_door.FrontDoor | None = None,
    ):
        """Prepares to serve `policy`.

        Args:
          policy: it is called from one thread only, the server's own.
          listener: a bound TCP socket (`listen_socket.bind`); the server owns it from now on.
          metadata: sent to each client as the first message.
          source: where the policy comes from, for the status page.
          options: what is allowed.
          recorder: counts what happens; one of its own if None.
          door: who is let in; if None, as `options` say.
        """
        self._recorder = recorder or metrics.Metrics()
        self._door = door or front_door.FrontDoor(self._recorder, keys=options.keys, max_sessions=options.max_sessions)
        self._worker = model_worker.ModelWorker(
            policy,
            max_batch_size=options.max_batch_size,
            max_delay_ms=options.max_delay_ms,
            recorder=self._recorder,
        )
        self._listener = listener
        self._options = options
        self._sessions: dict[server.ServerConnection, session.Session] = {}
        self._door.status.clients = lambda: [each.client() for each in list(self._sessions.values())]
        self._present(source, metadata or {})
        self._stopping = False

    def run(self, on_ready: Callable[[], None] = lambda: None, on_hangup: Callable[[], None] | None = None) -> bool:
        """Serves until SIGINT or SIGTERM; call it from the main thread. SIGHUP calls `on_hangup`. Returns as `serve` does."""

        async def until_signal() -> bool:
            stop = asyncio.Event()
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, stop.set)
            if on_hangup:
                asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, on_hangup)
            return await self.serve(stop, on_ready)

        return asyncio.run(until_signal())

    def swap(self, policy: base_policy.BasePolicy, *, metadata: dict, max_batch_size: int, source: str = "") -> None:
        """Serves another policy from the next batch on; clients stay. Those that come later get its metadata."""
        self._worker.swap(policy, max_batch_size)
        self._present(source, metadata)

    async def serve(self, stop: asyncio.Event, on_ready: Callable[[], None] = lambda: None) -> bool:
        """Serves until `stop` is set, then answers the requests it has taken and closes every connection (code 1001).

        Returns:
          Whether all of that was done within `drain_seconds`; False if an inference still runs.

        Raises:
          OSError: another program began to listen on the port meanwhile; one line.
        """
        host, port = self._listener.getsockname()[:2]
        encryption: dict[str, Any] = {}
        if self._options.tls:
            encryption = {"ssl": self._options.tls, "ssl_handshake_timeout": self._options.open_seconds}
        try:
            running = await server.serve(
                self._serve_client,
                sock=self._listener,
                process_request=self._door.admit,
                compression=None,
                max_size=self._options.max_message_bytes,
                max_queue=1,  # `Inbox` holds what is to be held.
                open_timeout=self._options.open_seconds,
                close_timeout=_SECONDS_TO_CLOSE,
                ping_interval=self._options.ping_seconds,
                ping_timeout=self._options.ping_seconds,
                logger=_quiet_logger(),
                **encryption,
            )
        except OSError as error:
            self._worker.close()
            self._listener.close()
            raise listen_socket.explain(error, host, port) from None
        self._set_ready(True)
        on_ready()
        await stop.wait()
        self._stopping = True
        self._set_ready(False)
        running.close(close_connections=False)
        idle = running.connections - {held for held, each in self._sessions.items() if each.busy}
        closing = [asyncio.create_task(connection.close(1001, "server stops")) for connection in idle]
        try:
            await asyncio.wait_for(running.wait_closed(), self._options.drain_seconds)
        except TimeoutError:
            _logger.warning("stopped with an inference unfinished after %g s", self._options.drain_seconds)
            return False
        finally:
            for task in closing:
                task.cancel()
            self._worker.close()
        return True

    async def _serve_client(self, connection: server.ServerConnection) -> None:
        each = session.Session(
            connection,
            self._worker,
            self._recorder,
            self._options.per_session,
            self._door.status,
            self._options.record_to,
        )
        self._sessions[connection] = each
        self._count_sessions()
        try:
            await each.run(self._metadata, lambda: self._stopping)
        finally:
            del self._sessions[connection]
            self._count_sessions()

    def _present(self, source: str, metadata: dict) -> None:
        self._metadata = msgpack_numpy.packb(metadata)
        self._door.status.source, self._door.status.metadata = source, metadata
        if self._options.record_to:
            self._options.record_to.begin(metadata, source)

    def _count_sessions(self) -> None:
        self._worker.num_sessions = len(self._sessions)
        self._recorder.sessions.set(len(self._sessions))

    def _set_ready(self, ready: bool) -> None:
        self._door.ready = ready
        self._recorder.ready.set(ready)


def _quiet_logger() -> logging.Logger:
    """A logger for the websockets library: failed handshakes of port scanners are not worth a traceback each."""
    logger = logging.getLogger(f"{__name__}.protocol")
    logger.setLevel(logging.CRITICAL)
    return logger
