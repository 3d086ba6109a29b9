"""A policy behind a websocket, for programs that run on asyncio. See `websocket_client_policy` for all others."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable
from typing import TypeVar

from websockets import exceptions
from websockets.asyncio import client

from openpi.client import client_session

_T = TypeVar("_T")


class AsyncWebsocketClientPolicy:
    """Asks a policy server; requests of several tasks wait for each other.

    async with AsyncWebsocketClientPolicy("localhost", 8000) as policy:
        result = await policy.infer(observation)
    """

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
        """Notes whom to ask and how; `connect` connects. Arguments: see `client_session.Settings`.

        Raises:
          ValueError: an argument cannot be used.
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
        self._connection: client.ClientConnection | None = None
        self._metadata: dict = {}
        self._ended = False
        self._lock = asyncio.Lock()

    async def connect(self) -> None:
        """Connects, and waits for a server that is not there yet.

        Raises:
          TimeoutError: the server did not answer in time.
          ConnectionError: the host cannot be reached, refuses the key, or what answers is no policy server.
          ValueError: host and port make no URI.
          RuntimeError: the server sent an error.
        """
        await self._open(client_session.deadline_after(self._settings.connect_timeout))

    def get_server_metadata(self) -> dict:
        """Returns what the server said about itself when it was last connected to."""
        return self._metadata

    async def infer(self, obs: dict, *, timeout: float | None = None) -> dict:
        """Sends the observation and returns the server's result; arguments and errors are those of the blocking client.

        A cancelled request closes the connection.
        """
        timeout = self._settings.infer_timeout if timeout is None else timeout
        deadline = client_session.deadline_after(timeout)
        message = self._settings.pack(obs, self._metadata)
        try:
            await _within(deadline, self._lock.acquire())
        except asyncio.TimeoutError:  # another class than the builtin before Python 3.11
            raise self._settings.late(timeout) from None
        try:
            return await self._infer(message, deadline, timeout)
        finally:
            self._lock.release()

    async def close(self) -> None:
        """Closes the connection for good; once closed, does nothing."""
        self._ended = True
        await self._drop()

    async def __aenter__(self) -> AsyncWebsocketClientPolicy:
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _infer(self, message: bytes, deadline: float | None, timeout: float | None) -> dict:
        waits, give_up = None, None
        while True:
            try:
                if waits is not None:
                    await self._open(give_up)
                return await self._exchange(message, deadline, timeout)
            except ConnectionError:
                if waits is None:
                    give_up = client_session.earlier(
                        client_session.deadline_after(self._settings.reconnect_timeout), deadline
                    )
                    waits = self._settings.waits(give_up)
                if self._ended or client_session.remaining(give_up) <= 0:
                    raise
            # An inference changes nothing, so that the same request may go to the server that comes back.
            await asyncio.sleep(next(waits))

    async def _open(self, deadline: float | None) -> None:
        async with self._dropping_on_error():
            self._connection = await self._connect(deadline)
            try:
                frame = await _within(deadline, self._connection.recv())
            except asyncio.TimeoutError:  # another class than the builtin before Python 3.11
                raise self._settings.silent() from None
            except exceptions.ConnectionClosed as closed:
                raise self._settings.closed(closed) from None
            self._metadata = self._settings.decode(frame)

    async def _connect(self, deadline: float | None) -> client.ClientConnection:
        waits = self._settings.waits(deadline)
        while True:
            try:
                return await client.connect(self._settings.uri, **self._settings.connect_options(deadline))
            except (OSError, exceptions.InvalidURI, exceptions.InvalidHandshake) as error:
                self._settings.check_transient(error)
            await asyncio.sleep(next(waits))

    async def _exchange(self, message: bytes, deadline: float | None, timeout: float | None) -> dict:
        if self._connection is None:
            raise self._settings.closed("by this client, or after an error")
        # An exchange that broke off would leave its reply to the next request.
        async with self._dropping_on_error():
            try:
                await _within(deadline, self._connection.send(message))
                frame = await _within(deadline, self._connection.recv())
            except asyncio.TimeoutError:  # another class than the builtin before Python 3.11
                raise self._settings.late(timeout) from None
            except exceptions.ConnectionClosed as closed:
                raise self._settings.closed(closed) from None
            return self._settings.decode(frame)

    @contextlib.asynccontextmanager
    async def _dropping_on_error(self) -> AsyncIterator[None]:
        try:
            yield
        except BaseException:
            await self._drop()
            raise

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


async def _within(deadline: float | None, awaitable: Awaitable[_T]) -> _T:
    """Awaits it until then. Raises asyncio.TimeoutError after."""
    seconds = client_session.remaining(deadline)
    return await asyncio.wait_for(awaitable, None if seconds is None else max(seconds, 0.0))
