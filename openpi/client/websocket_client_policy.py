"""A policy behind a websocket.

The server sends its metadata first; then each observation is answered by the policy's result, all of it as binary messages of
`msgpack_numpy`. A text message is an error of the server.
"""

import contextlib
import logging
import time
import typing
from collections.abc import Iterator

from websockets import exceptions
from websockets.sync import client

from openpi.client import base_policy, msgpack_numpy

logger = logging.getLogger(__name__)

_RETRY_SECONDS = 5.0
_HANDSHAKE_SECONDS = 10.0
# A server that hangs must not hold up a robot that wants to go home.
_CLOSE_SECONDS = 1.0


class WebsocketClientPolicy(base_policy.BasePolicy):
    """Asks a policy server. Not for use by several threads at once. `close`, or leaving a `with` block, ends it."""

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int | None = 8000,
        *,
        api_key: str | None = None,
        connect_timeout: float | None = None,
        max_message_bytes: int | None = None,
    ) -> None:
        """Connects, and waits for a server that is not there yet.

        Args:
          host: a host name or address, or a URI that begins with ws:// or wss://.
          port: the server's port; None adds none to the URI.
          api_key: sent as `Authorization: Api-Key <key>`.
          connect_timeout: seconds to wait for the server and its metadata; None waits for ever.
          max_message_bytes: longest message to accept; None sets no limit.

        Raises:
          TimeoutError: the server did not answer in time.
          ConnectionError: the host cannot be reached, or what answers is no policy server.
          ValueError: host and port make no URI.
          RuntimeError: the server sent an error.
        """
        uri = host if host.startswith(("ws://", "wss://")) else f"ws://{host}"
        self._uri = uri if port is None else f"{uri}:{port}"
        self._max_message_bytes = max_message_bytes
        self._headers = {"Authorization": f"Api-Key {api_key}"} if api_key else None
        self._stack = contextlib.ExitStack()
        deadline = None if connect_timeout is None else time.monotonic() + connect_timeout
        self._connection = self._connect(deadline)
        with self._closing_on_error():
            try:
                frame = self._connection.recv(timeout=_remaining(deadline))
            except TimeoutError:
                raise TimeoutError(
                    f"{self._uri} accepted the connection but sent no metadata in {connect_timeout:g} s"
                ) from None
            except exceptions.ConnectionClosed as closed:
                raise self._closed(closed) from None
            self._metadata = self._decode(frame)

    def get_server_metadata(self) -> dict:
        """Returns what the server said about itself, such as a robot's `reset_pose`."""
        return self._metadata

    def infer(self, obs: dict) -> dict:
        """Sends the observation and returns the server's result; its arrays are read-only.

        Raises:
          RuntimeError: the server sent an error; the text holds it. The connection is closed.
          ConnectionError: the connection is closed, or was closed meanwhile.
          ValueError: the observation holds what cannot be sent, or the reply is not of the wire format.
        """
        message = msgpack_numpy.packb(obs)
        # An exchange that broke off, by Ctrl-C for instance, would leave its reply to the next request.
        with self._closing_on_error():
            try:
                self._connection.send(message)
                frame = self._connection.recv()
            except exceptions.ConnectionClosed as closed:
                raise self._closed(closed) from None
            return self._decode(frame)

    def close(self) -> None:
        """Closes the connection; once closed, does nothing."""
        self._stack.close()

    def __enter__(self) -> typing.Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _connect(self, deadline: float | None) -> client.ClientConnection:
        while True:
            remaining = _remaining(deadline)
            try:
                return self._stack.enter_context(
                    client.connect(
                        self._uri,
                        compression=None,
                        max_size=self._max_message_bytes,
                        additional_headers=self._headers,
                        open_timeout=_HANDSHAKE_SECONDS if remaining is None else max(remaining, 0.01),
                        close_timeout=_CLOSE_SECONDS,
                        # Published servers answer no pings while they infer, which may take minutes the first time.
                        ping_timeout=None,
                    )
                )
            except exceptions.InvalidURI as error:
                raise ValueError(f"not the address of a policy server: {error}") from None
            except (ConnectionRefusedError, TimeoutError):
                pass
            except (OSError, exceptions.InvalidHandshake) as error:
                raise ConnectionError(f"cannot talk to a policy server at {self._uri}: {error}") from None
            remaining = _remaining(deadline)
            if remaining is not None and remaining <= 0:
                raise TimeoutError(f"no policy server answers at {self._uri}; start one with //openpi/serve")
            logger.info("Waiting for a policy server at %s", self._uri)
            time.sleep(_RETRY_SECONDS if remaining is None else min(_RETRY_SECONDS, remaining))

    @contextlib.contextmanager
    def _closing_on_error(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.close()
            raise

    def _closed(self, closed: exceptions.ConnectionClosed) -> ConnectionError:
        return ConnectionError(f"the connection to the policy server at {self._uri} is closed: {closed}")

    def _decode(self, frame: str | bytes) -> dict:
        if isinstance(frame, str):
            raise RuntimeError(f"error of the policy server at {self._uri}:\n{frame}")
        message = msgpack_numpy.unpackb(frame)
        if not isinstance(message, dict):
            raise msgpack_numpy.DecodeError(f"{self._uri} sent a {type(message).__name__} in place of a dict")
        return message


def _remaining(deadline: float | None) -> float | None:
    return None if deadline is None else deadline - time.monotonic()
