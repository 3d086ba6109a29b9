"""Plain HTTP on a server's port, and who may open a websocket there."""

import http
import weakref
from collections.abc import Mapping
from typing import NamedTuple

from websockets.asyncio import server
from websockets.http11 import Request, Response
from websockets.protocol import State

from openpi.server import api_keys, metrics

_RETRY_SECONDS = 5
_TEXT = "text/plain; charset=utf-8"


class Page(NamedTuple):
    """A reply to a GET request."""

    status: http.HTTPStatus
    body: bytes
    content_type: str = _TEXT


class FrontDoor:
    """Answers health checks and metrics, and refuses clients before the upgrade: without a key, or too many."""

    def __init__(self, recorder: metrics.Metrics, *, keys: api_keys.ApiKeys | None, max_sessions: int):
        """Prepares the answers.

        Args:
          recorder: what `/metrics` tells, and who counts those refused.
          keys: what lets clients in, and `/metrics` be read; None lets everybody.
          max_sessions: clients at once.
        """
        self._recorder = recorder
        self._keys = keys
        self._max_sessions = max_sessions
        self._admitted: weakref.WeakSet[server.ServerConnection] = weakref.WeakSet()
        self.ready = False

    def page(self, path: str, authorization: str | None) -> Page | None:
        """Returns the page at `path`, or None if there is none. Any thread may ask.

        `/livez`: the process answers. `/readyz`: observations are answered, too; 503 before the model is compiled and once
        the server stops. `/healthz`: as published, the text `OK`. `/metrics`: for Prometheus; needs a key if clients do.
        """
        path = path.partition("?")[0]
        if path == "/livez":
            return Page(http.HTTPStatus.OK, b"OK\n")
        if path in ("/readyz", "/healthz"):
            if self.ready:
                return Page(http.HTTPStatus.OK, b"OK\n")
            return Page(http.HTTPStatus.SERVICE_UNAVAILABLE, b"not ready\n")
        if path == "/metrics":
            return self._unless_refused(authorization) or Page(
                http.HTTPStatus.OK, self._recorder.text(), metrics.CONTENT_TYPE
            )
        return None

    def admit(self, connection: server.ServerConnection, request: Request) -> Response | None:
        """Returns the reply to plain HTTP and to whoever is not let in; None lets the websocket handshake go on.

        Source of `/healthz`: the published server's: status 200, body `OK\\n`, text/plain, connection closed.
        """
        values = request.headers.get_all("Authorization")
        authorization = values[0] if len(values) == 1 else None
        if page := self.page(request.path, authorization):
            return _respond(connection, page)
        if page := self._unless_refused(authorization):
            self._recorder.count_refused_connection("unauthorized")
            return _respond(connection, page, {"WWW-Authenticate": "Api-Key"})
        if sum(each.state is not State.CLOSED for each in self._admitted) >= self._max_sessions:
            self._recorder.count_refused_connection("too_many_sessions")
            text = f"all {self._max_sessions} sessions of this server are taken; try again later\n"
            full = Page(http.HTTPStatus.SERVICE_UNAVAILABLE, text.encode())
            return _respond(connection, full, {"Retry-After": str(_RETRY_SECONDS)})
        self._admitted.add(connection)
        return None

    def _unless_refused(self, authorization: str | None) -> Page | None:
        """What somebody without a key is told; None for who has one."""
        if self._keys is None or self._keys.admit(authorization):
            return None
        return Page(
            http.HTTPStatus.UNAUTHORIZED,
            b"this server wants an API key: send the header `Authorization: Api-Key KEY` with one of its keys\n",
        )


def _respond(connection: server.ServerConnection, page: Page, headers: Mapping[str, str] | None = None) -> Response:
    response = connection.respond(page.status, page.body.decode())
    del response.headers["Content-Type"]
    response.headers["Content-Type"] = page.content_type
    for name, value in (headers or {}).items():
        response.headers[name] = value
    return response
