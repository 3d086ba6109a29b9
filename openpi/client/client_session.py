"""What the blocking and the asyncio client share: addresses, waiting, messages and what errors mean.

Needs websockets 15 or later.
"""

from __future__ import annotations

import dataclasses
import itertools
import logging
import random
import socket
import time
from collections.abc import Iterator
from typing import Any

from websockets import exceptions

from openpi.client import image_codec, msgpack_numpy

_logger = logging.getLogger(__name__)

_FIRST_WAIT, _LONGEST_WAIT = 0.1, 5.0
_HANDSHAKE_SECONDS = 10.0
# A server that hangs must not hold up a robot that wants to go home.
_CLOSE_SECONDS = 1.0
_NOT_READY = 503


@dataclasses.dataclass(frozen=True)
class Settings:
    """How to talk to a policy server.

    Attributes:
      host: a host name or address, or a URI that begins with ws:// or wss://.
      port: the server's port; None adds none to the URI.
      api_key: sent as `Authorization: Api-Key <key>`; None sends none.
      connect_timeout: seconds to wait for the server and its metadata; None waits for ever.
      infer_timeout: seconds that an answer may take, reconnecting included; None sets no limit.
      reconnect_timeout: seconds to wait for a server that was lost before the request fails; 0 does not reconnect.
      image_format: "jpeg" or "png" compresses images for servers that offer it; None sends them as they are.
      max_message_bytes: longest message to accept; None sets no limit.
    """

    host: str
    port: int | None
    api_key: str | None = None
    connect_timeout: float | None = None
    infer_timeout: float | None = None
    reconnect_timeout: float = 0.0
    image_format: str | None = None
    max_message_bytes: int | None = None

    def __post_init__(self) -> None:
        """Raises ValueError for a value that cannot be used."""
        for name in ("connect_timeout", "infer_timeout", "reconnect_timeout"):
            value = getattr(self, name)
            if value is not None and not value >= 0:
                raise ValueError(f"{name}={value} must be 0 seconds or more")
        if self.image_format not in (None, *image_codec.FORMATS):
            raise ValueError(f"image_format={self.image_format!r} must be None or one of {image_codec.FORMATS}")

    @property
    def uri(self) -> str:
        """The server's address."""
        uri = self.host if self.host.startswith(("ws://", "wss://")) else f"ws://{self.host}"
        return uri if self.port is None else f"{uri}:{self.port}"

    def connect_options(self, deadline: float | None) -> dict[str, Any]:
        """Arguments for both `connect` functions of websockets."""
        seconds = remaining(deadline)
        return {
            "compression": None,
            "max_size": self.max_message_bytes,
            "additional_headers": {"Authorization": f"Api-Key {self.api_key}"} if self.api_key else None,
            "open_timeout": _HANDSHAKE_SECONDS if seconds is None else max(min(seconds, _HANDSHAKE_SECONDS), 0.01),
            "close_timeout": _CLOSE_SECONDS,
            # Published servers answer no pings while they infer, which may take minutes the first time.
            "ping_timeout": None,
        }

    def waits(self, deadline: float | None) -> Iterator[float]:
        """Seconds to wait before each further attempt to connect, longer each time.

        Raises:
          TimeoutError: the deadline has passed.
        """
        for attempt in itertools.count():
            seconds = min(_LONGEST_WAIT, _FIRST_WAIT * 1.6 ** min(attempt, 20)) * random.uniform(0.8, 1.2)
            left = remaining(deadline)
            if left is not None and left <= 0:
                raise TimeoutError(f"no policy server answers at {self.uri}; start one with //openpi/serve")
            if attempt == 0:
                _logger.info("Waiting for a policy server at %s", self.uri)
            yield seconds if left is None else min(seconds, left)

    def check_transient(self, error: Exception) -> None:
        """Returns if `error`, of an attempt to connect, may pass: nobody listens yet, or a server that is not ready says so.

        Raises:
          ValueError: host and port make no URI.
          ConnectionError: the host cannot be reached, refuses the key, or what answers is no policy server.
        """
        if isinstance(error, exceptions.InvalidURI):
            raise ValueError(f"not the address of a policy server: {error}") from None
        status = error.response.status_code if isinstance(error, exceptions.InvalidStatus) else None
        if status in (401, 403):
            raise ConnectionError(
                f"the policy server at {self.uri} refuses the API key (HTTP {status}); give its api_key"
            )
        # In Python 3.9 a socket's time-out is no TimeoutError. A server that ends in mid-handshake sends no whole response.
        passing = (ConnectionRefusedError, ConnectionResetError, TimeoutError, socket.timeout)
        if status == _NOT_READY or isinstance(error, passing) or isinstance(error.__cause__, EOFError):
            return
        raise ConnectionError(f"cannot talk to a policy server at {self.uri}: {error}") from None

    def pack(self, obs: dict, metadata: dict) -> bytes:
        """The message for an observation, its images compressed if that is wished and offered."""
        wanted = self.image_format is not None and self.image_format in image_codec.offered(metadata)
        return msgpack_numpy.packb(image_codec.compress(obs, self.image_format) if wanted else obs)

    def decode(self, frame: str | bytes) -> dict:
        """The dict in a message of the server.

        Raises:
          RuntimeError: the message is an error of the server's.
          DecodeError: it is not of the wire format.
        """
        if isinstance(frame, str):
            raise RuntimeError(f"error of the policy server at {self.uri}:\n{frame}")
        message = msgpack_numpy.unpackb(frame)
        if not isinstance(message, dict):
            raise msgpack_numpy.DecodeError(f"{self.uri} sent a {type(message).__name__} in place of a dict")
        return message

    def closed(self, why: object) -> ConnectionError:
        """The error for a connection that is closed."""
        return ConnectionError(f"the connection to the policy server at {self.uri} is closed: {why}")

    def silent(self) -> TimeoutError:
        """The error for a server that accepts connections and sends no metadata."""
        return TimeoutError(
            f"{self.uri} accepted the connection but sent no metadata in time; is it a policy server? give more connect_timeout"
        )

    def late(self, timeout: float | None) -> TimeoutError:
        """The error for an answer that did not come in time."""
        return TimeoutError(f"the policy server at {self.uri} did not answer within {timeout:g} s")


def deadline_after(seconds: float | None) -> float | None:
    """The time, by the monotonic clock, that many seconds from now."""
    return None if seconds is None else time.monotonic() + seconds


def earlier(one: float | None, other: float | None) -> float | None:
    """The earlier of two deadlines, None being never."""
    return min((deadline for deadline in (one, other) if deadline is not None), default=None)


def remaining(deadline: float | None) -> float | None:
    """Seconds until then, negative once it has passed."""
    return None if deadline is None else deadline - time.monotonic()
