"""A policy behind a websocket.

The server sends its metadata first; then each observation is answered by the policy's result, all of it as binary messages of
`msgpack_numpy`. A text message is an error of the server. Page: openpi/docs/protocol.md.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import time
from collections.abc import Iterator

from websockets import exceptions
from websockets.sync import client

from openpi.client import base_policy, client_session


class WebsocketClientPolicy(base_policy.BasePolicy):
    """Asks a policy server. Not for use by several threads at once. `close`, or leaving a `with` block, ends it."""

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int | None = 8000,
        *,
        api_key: str | None = None,
        connect_timeout: float | None = None,
        infer_timeout: float | None = None,
        reconnect_timeout: float = 0.0,
        image_format: str | None = None,
        max_message_bytes: int | None = None,
    ) -> None:
        """Connects, and waits for a server that is not there yet. Arguments: see `client_session.Settings`.

        Raises:
          TimeoutError: the server did not answer in time.
          ConnectionError: the host cannot be reached, refuses the key, or what answers is no policy server.
          ValueError: host and port make no URI, or another argument cannot be used.
          RuntimeError: the server sent an error.
        """
        self._settings = client_session.Settings(
            host,
            port,
            api_key=api_key,
            connect_timeout=connect_timeout,
            infer_timeout=infer_timeout,
            reconnect_timeout=reconnect_timeout,
            image_format=image_format,
            max_message_bytes=max_message_bytes,
        )
        self._stack = contextlib.ExitStack()
        self._ended = False
        self._open(client_session.deadline_after(connect_timeout))

    def get_server_metadata(self) -> dict:
        """Returns what the server said about itself when it was last connected to, such as a robot's `reset_pose`."""
        return self._metadata

    def infer(self, obs: dict, *, timeout: float | None = None) -> dict:
        """Sends the observation and returns the server's result; its arrays are read-only.

        Args:
          obs: the observation.
          timeout: seconds that the answer may take; None: the client's `infer_timeout`.

        Raises:
          RuntimeError: the server sent an error; the text holds it. The connection is closed.
          TimeoutError: the answer did not come in time. The connection is closed.
          ConnectionError: the connection is closed, or was lost and did not come back within `reconnect_timeout`.
          ValueError: the observation holds what cannot be sent, or the reply is not of the wire format.
        """
        timeout = self._settings.infer_timeout if timeout is None else timeout
        deadline = client_session.deadline_after(timeout)
        message = self._settings.pack(obs, self._metadata)
        waits, give_up = None, None
        while True:
            try:
                if waits is not None:
                    self._open(give_up)
                return self._exchange(message, deadline, timeout)
            except ConnectionError:
                if waits is None:
                    give_up = client_session.earlier(
                        client_session.deadline_after(self._settings.reconnect_timeout), deadline
                    )
                    waits = self._settings.waits(give_up)
                if self._ended or client_session.remaining(give_up) <= 0:
                    raise
            # An inference changes nothing, so that the same request may go to the server that comes back.
            time.sleep(next(waits))

    def close(self) -> None:
        """Closes the connection for good; once closed, does nothing."""
        self._ended = True
        self._stack.close()

    def __enter__(self) -> WebsocketClientPolicy:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self, deadline: float | None) -> None:
        """Connects anew and reads the metadata."""
        with self._closing_on_error():
            self._connection = self._stack.enter_context(self._connect(deadline))
            try:
                frame = self._connection.recv(timeout=client_session.remaining(deadline))
            except TimeoutError:
                raise self._settings.silent() from None
            except exceptions.ConnectionClosed as closed:
                raise self._settings.closed(closed) from None
            self._metadata = self._settings.decode(frame)

    def _connect(self, deadline: float | None) -> client.ClientConnection:
        waits = self._settings.waits(deadline)
        while True:
            try:
                return client.connect(self._settings.uri, **self._settings.connect_options(deadline))
            except (OSError, exceptions.InvalidURI, exceptions.InvalidHandshake) as error:
                self._settings.check_transient(error)
            time.sleep(next(waits))

    def _exchange(self, message: bytes, deadline: float | None, timeout: float | None) -> dict:
        # An exchange that broke off, by Ctrl-C for instance, would leave its reply to the next request.
        with self._closing_on_error():
            try:
                _limit_sending(self._connection.socket, client_session.remaining(deadline))
                self._connection.send(message)
                frame = self._connection.recv(timeout=client_session.remaining(deadline))
            except TimeoutError:
                raise self._settings.late(timeout) from None
            except exceptions.ConnectionClosed as closed:
                if deadline is not None and client_session.remaining(deadline) <= 0:
                    raise self._settings.late(timeout) from None
                raise self._settings.closed(closed) from None
            return self._settings.decode(frame)

    @contextlib.contextmanager
    def _closing_on_error(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._stack.close()
            raise


def _limit_sending(connection: socket.socket, seconds: float | None) -> None:
    """Makes a send fail that a server which does not read holds up for so long."""
    if os.name != "posix":
        return
    microseconds = 0 if seconds is None else max(1, int(seconds * 1e6))  # 0 is no limit
    value = struct.pack("ll", *divmod(microseconds, 1_000_000))
    with contextlib.suppress(OSError):  # of a closed socket: the send says so
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, value)
