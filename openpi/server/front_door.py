"""Plain HTTP on a server's port, and who may open a websocket there."""

import asyncio
import concurrent.futures
import http
import weakref
from collections.abc import Awaitable

from websockets.asyncio import server
from websockets.http11 import Request, Response
from websockets.protocol import State

from openpi.server import api_keys, http_page, metrics, origin, status, status_page

_RETRY_SECONDS = 5
_LOGIN = ("WWW-Authenticate", 'Basic realm="openpi: the password is an API key, the name does not matter"')


class FrontDoor:
    """Answers health checks, metrics and the status page, and refuses clients before the upgrade: without a key, or too many."""

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
        self._aside = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="status")
        self.status = status.Status(recorder)
        self.ready = False

    def page(self, path: str, authorization: str | None, host: str | None) -> http_page.Page | None:
        """Returns the page at `path`, or None if there is none. Any thread may ask.

        `/livez`: the process answers. `/readyz`: observations are answered, too; 503 before the model is compiled and once
        the server stops. `/healthz`: as published, the text `OK`. `/metrics`: for Prometheus; needs a key if clients do. `/`
        and what belongs to it: for browsers, which may log in with a key; without keys only under a name of this machine (`host`).
        These take milliseconds.
        """
        path = path.partition("?")[0]
        if path == "/livez":
            return http_page.Page(http.HTTPStatus.OK, b"OK\n")
        if path in ("/readyz", "/healthz"):
            if self.ready:
                return http_page.Page(http.HTTPStatus.OK, b"OK\n")
            return http_page.Page(http.HTTPStatus.SERVICE_UNAVAILABLE, b"not ready\n")
        if path == "/metrics":
            return self._unless_refused(authorization) or http_page.Page(
                http.HTTPStatus.OK, self._recorder.text(), metrics.CONTENT_TYPE
            )
        if status_page.is_ours(path):
            if self._keys and not self._keys.admit_login(authorization):
                return _unauthorized(_LOGIN)
            if not self._keys and not origin.is_own(host):
                return _forbidden(
                    "this server shows its page under its address; give it keys to show it under other names"
                )
            return status_page.answer(path, self.status)
        return None

    def admit(
        self, connection: server.ServerConnection, request: Request
    ) -> Response | Awaitable[Response | None] | None:
        """Returns the reply to plain HTTP and to whoever is not let in; None lets the websocket handshake go on.

        Source of `/healthz`: the published server's: status 200, body `OK\\n`, text/plain, connection closed.
        """
        authorization = _single(request, "Authorization")
        path = request.path.partition("?")[0]
        if status_page.is_ours(path):
            # Clients open their websocket at `/`, too.
            if "Upgrade" not in request.headers:
                return self._answer_aside(connection, request.path, authorization, _single(request, "Host"))
        elif found := self.page(path, authorization, None):
            return _respond(connection, found)
        if refusal := self._unless_a_page_asks(request):
            self._recorder.count_refused_connection("foreign_page")
            return _respond(connection, refusal)
        if refusal := self._unless_refused(authorization):
            self._recorder.count_refused_connection("unauthorized")
            return _respond(connection, refusal)
        if sum(each.state is not State.CLOSED for each in self._admitted) >= self._max_sessions:
            self._recorder.count_refused_connection("too_many_sessions")
            text = f"all {self._max_sessions} sessions of this server are taken; try again later\n"
            retry = ("Retry-After", str(_RETRY_SECONDS))
            return _respond(
                connection, http_page.Page(http.HTTPStatus.SERVICE_UNAVAILABLE, text.encode(), headers=(retry,))
            )
        self._admitted.add(connection)
        return None

    async def _answer_aside(
        self, connection: server.ServerConnection, path: str, authorization: str | None, host: str | None
    ) -> Response | None:
        """Answers on a thread of its own, one page after the other, so that sessions go on meanwhile."""
        found = await asyncio.get_running_loop().run_in_executor(self._aside, self.page, path, authorization, host)
        return found and _respond(connection, found)

    def _unless_a_page_asks(self, request: Request) -> http_page.Page | None:
        """What a web page is told that is none of this server's and opens a websocket."""
        pages = request.headers.get_all("Origin")
        host = _single(request, "Host")
        if not pages or (not origin.is_foreign(pages[0], host) and (self._keys or origin.is_own(host))):
            return None
        return _forbidden("pages of other servers may not open a websocket here")

    def _unless_refused(self, authorization: str | None) -> http_page.Page | None:
        """What somebody without a key is told; None for who has one."""
        if self._keys is None or self._keys.admit(authorization):
            return None
        return _unauthorized(("WWW-Authenticate", "Api-Key"))


def _unauthorized(challenge: tuple[str, str]) -> http_page.Page:
    return http_page.Page(
        http.HTTPStatus.UNAUTHORIZED,
        b"this server wants an API key: send the header `Authorization: Api-Key KEY` with one of its keys\n",
        headers=(challenge,),
    )


def _forbidden(text: str) -> http_page.Page:
    return http_page.Page(http.HTTPStatus.FORBIDDEN, f"{text}\n".encode())


def _single(request: Request, name: str) -> str | None:
    """The header, if there is exactly one of the name."""
    values = request.headers.get_all(name)
    return values[0] if len(values) == 1 else None


def _respond(connection: server.ServerConnection, found: http_page.Page) -> Response:
    response = connection.respond(found.status, "")
    response.body = found.body
    for name in ("Content-Type", "Content-Length"):
        del response.headers[name]
    response.headers["Content-Length"] = str(len(found.body))
    response.headers["Content-Type"] = found.content_type
    for name, value in found.headers:
        response.headers[name] = value
    return response
